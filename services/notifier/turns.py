"""Whose call is next while as many are under way as may be."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio


class Turns:
    """So many calls at once; the next is of the owner with the fewest under way, so many slow ones delay nobody else.

    Nobody has more than seven eighths of them, or others would wait for the first of an owner's to end.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._most = max(1, at_once * 7 // 8)
        self._under_way: Counter[str] = Counter()
        self._waiting: dict[str, deque[anyio.Event]] = {}

    @asynccontextmanager
    async def of(self, owner: str) -> AsyncIterator[None]:
        """Wait for a turn of an owner, and hold it for as long as the block takes."""
        turn = anyio.Event()
        self._waiting.setdefault(owner, deque()).append(turn)
        self._give()
        try:
            await turn.wait()
            yield
        finally:
            if turn.is_set():
                self._free += 1
                self._under_way[owner] -= 1
            else:
                self._waiting[owner].remove(turn)
            self._give()

    def _give(self) -> None:
        while self._free:
            waiting = [owner for owner, turns in self._waiting.items() if turns and self._under_way[owner] < self._most]
            if not waiting:
                break
            owner = min(waiting, key=self._under_way.__getitem__)
            self._waiting[owner].popleft().set()
            self._free -= 1
            self._under_way[owner] += 1
        self._waiting = {owner: turns for owner, turns in self._waiting.items() if turns}
        self._under_way = +self._under_way
