"""Leases: at most one holder of a name at a time, as long as clocks agree to within the lease."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import anyio
from pymongo.errors import DuplicateKeyError

from libs.catalog.catalog import Catalog
from libs.shared.events import utc_now
from libs.shared.mongo import CLEANUP_SECONDS
from libs.shared.mongo_errors import DriverError

GoOn = Callable[[], Awaitable[bool]]
"""Asked between the parts of a work: False ends it."""


class Lease:
    """One lease for a work of many parts, each of which takes less than three quarters of its duration."""

    def __init__(self, catalog: Catalog, name: str, duration: timedelta) -> None:
        self._catalog = catalog
        self._name = name
        self._duration = duration
        self._holder = str(uuid.uuid4())
        self._renewed_at = -math.inf

    async def go_on(self) -> bool:
        """Take it or keep it, before each part; False while, or since, somebody else holds it."""
        now = time.monotonic()
        if now - self._renewed_at < self._duration.total_seconds() / 4:
            return True
        if not await self._take():
            return False
        self._renewed_at = now
        return True

    async def end(self) -> None:
        """Let somebody else begin at once; if the database does not answer soon, when the lease runs out."""
        with anyio.move_on_after(CLEANUP_SECONDS, shield=True), suppress(DriverError):
            await self._catalog.leases.delete_one({"_id": self._name, "holder": self._holder})

    async def _take(self) -> bool:
        now = utc_now()
        free_or_mine = {"_id": self._name, "$or": [{"until": {"$lt": now}}, {"holder": self._holder}]}
        held = {"$set": {"holder": self._holder, "until": now + self._duration}}
        try:
            await self._catalog.leases.update_one(free_or_mine, held, upsert=True)
        except DuplicateKeyError:
            return False
        return True
