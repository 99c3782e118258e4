"""What an owner may store. Counted anew now and then while the owner uploads, and by this process in between."""

from __future__ import annotations

import time
from dataclasses import dataclass
from weakref import WeakValueDictionary

import anyio
from cachetools import TLRUCache

from libs.catalog.catalog import Catalog
from libs.catalog.usage import stored_bytes
from libs.shared.errors import Refusal

LOOK_SECONDS = 5.0
SHARE = 20
"""Counting may take up one part in so many of the time, so a count that takes long is kept for longer."""
OWNERS = 10_000


@dataclass
class _Stored:
    """What an owner stored when it was counted, with what was accepted since, and how long the counting took."""

    bytes: int
    seconds: float


def _until(owner: str, stored: _Stored, now: float) -> float:
    return now + max(LOOK_SECONDS, SHARE * stored.seconds)


class Quota:
    """Each owner's room."""

    def __init__(self, catalog: Catalog, quota_bytes: int | None) -> None:
        self._catalog = catalog
        self._quota_bytes = quota_bytes
        self._stored: TLRUCache[str, _Stored] = TLRUCache(OWNERS, _until)
        self._counting: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    async def require(self, owner: str, more_bytes: int) -> None:
        """Return if so much more fits.

        Raises:
            Refusal: ``storage-full``.
        """
        if self._quota_bytes is None:
            return
        stored = await self._count(owner)
        if stored.bytes + more_bytes > self._quota_bytes:
            message = f"your pictures may take up {self._quota_bytes} bytes here, and there is no room for this one"
            raise Refusal("storage-full", message, limit={"bytes": self._quota_bytes}, actual={"bytes": stored.bytes})

    async def take(self, owner: str, more_bytes: int) -> None:
        """Count what is about to be accepted.

        Raises:
            Refusal: ``storage-full``.
        """
        if self._quota_bytes is None:
            return
        await self.require(owner, more_bytes)
        if (stored := self._stored.get(owner)) is not None:
            stored.bytes += more_bytes

    async def _count(self, owner: str) -> _Stored:
        if (known := self._stored.get(owner)) is not None:
            return known
        async with self._counting.setdefault(owner, anyio.Lock()):
            stored = self._stored.get(owner)
            if stored is None:
                started = time.monotonic()
                count = await stored_bytes(self._catalog, owner)
                stored = self._stored[owner] = _Stored(count, time.monotonic() - started)
            return stored
