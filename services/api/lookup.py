"""Many requests, one round trip: whoever asks while a look-up is under way shares the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from libs.shared.mongo import in_time

Value = TypeVar("Value")

AT_ONCE = 2
"""One to wait for, one whose answers are being sent."""
MOST_KEYS = 64


class SharedLookup(Generic[Value]):
    """Looks values up by their keys. Each look-up begins after it was asked for, so nothing older is ever told."""

    def __init__(self, look_up: Callable[[list[str]], Awaitable[dict[str, Value]]]) -> None:
        """``look_up`` finds the values of many keys in one round trip."""
        self._look_up = look_up
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._keys: set[str] = set()
        self._next: asyncio.Task[dict[str, Value]] | None = None

    async def get(self, key: str) -> Value | None:
        """The value as it is now, or None if there is none.

        Raises:
            Outage: the database does not answer.
        """
        if self._next is None:
            self._keys = set()
            self._next = asyncio.create_task(self._look(self._keys))
        self._keys.add(key)
        task = self._next
        if len(self._keys) >= MOST_KEYS:
            self._next = None
        # Whoever goes away must not take the others' answer along.
        found = await asyncio.shield(task)
        return found.get(key)

    async def _look(self, keys: set[str]) -> dict[str, Value]:
        with in_time():  # from before its turn on: those before it may be waiting for a database that is away
            async with self._slots:
                if self._keys is keys:
                    self._next = None
                return await self._look_up(list(keys))
