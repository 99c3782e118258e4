"""Leases: at most one holder of a name at a time, as long as clocks agree to within the lease."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from libs.catalog.catalog import Catalog
from libs.shared.events import utc_now

GoOn = Callable[[], Awaitable[bool]]
"""Asked between the parts of a work: False ends it."""


async def hold(catalog: Catalog, name: str, holder: str, duration: timedelta) -> bool:
    """Take or renew a lease; False while somebody else holds it."""
    now = utc_now()
    free_or_mine = {"_id": name, "$or": [{"until": {"$lt": now}}, {"holder": holder}]}
    try:
        await catalog.leases.update_one(
            free_or_mine, {"$set": {"holder": holder, "until": now + duration}}, upsert=True
        )
    except DuplicateKeyError:
        return False
    return True


async def release(catalog: Catalog, name: str, holder: str) -> None:
    """Let go of a lease at once, so that the next holder need not wait it out."""
    await catalog.leases.delete_one({"_id": name, "holder": holder})


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
        if not await hold(self._catalog, self._name, self._holder, self._duration):
            return False
        self._renewed_at = now
        return True

    async def end(self) -> None:
        """Let somebody else begin at once."""
        await release(self._catalog, self._name, self._holder)
