"""Leases: at most one holder of a name at a time, as long as clocks agree to within the lease."""

from __future__ import annotations

from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from libs.catalog.catalog import Catalog
from libs.shared.events import utc_now


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
