"""What the reconciler finds: intents that ran out, images that stand still, deletions cut short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import ValidationError

from libs.catalog import requests
from libs.catalog.catalog import Catalog
from libs.catalog.records import Image, State
from libs.shared.events import utc_now
from libs.shared.ports import BlobStore

BATCH = 200
UNREADABLE_SPACING = timedelta(hours=1)


@dataclass(frozen=True)
class Still:
    """An image that stands still, and how often it was emitted again already."""

    image: Image
    checks: int


async def undo_expired_intents(catalog: Catalog, blobs: BlobStore) -> int:
    """Remove the chunks, then the records, of uploads that stopped without an end. Returns how many."""
    expired = {"state": "receiving", "lease_until": {"$lt": utc_now()}}
    undone = 0
    for intent in await catalog.images.find(expired, {"blob_id": 1}).limit(BATCH).to_list(None):
        # A renewal between the query and here saves the upload; after this, its acceptance fails.
        taken = await catalog.images.update_one({"_id": intent["_id"], **expired}, {"$set": {"is_given_up": True}})
        if taken.matched_count:
            await blobs.delete(intent["blob_id"])
            await catalog.images.delete_one({"_id": intent["_id"], "state": "receiving"})
            undone += 1
    return undone


async def standing_still(catalog: Catalog, states: Sequence[State]) -> list[Still]:
    """Images in one of the states whose time to be looked at has come, the longest waiting first.

    What is put off for longer than anything ever is was so by a clock that has been put back since. A record that
    cannot be read is looked at an hour later, behind all others; the scheduled check tells of it.
    """
    now = utc_now()
    longest = 2 * max(requests.LONGEST_SPACING * catalog.check_after, UNREADABLE_SPACING)
    wanted = {"$or": [{"check_at": {"$lt": now}}, {"check_at": {"$gt": now + longest}}], "state": {"$in": states}}
    documents = await catalog.images.find(wanted).sort("check_at").limit(BATCH).to_list(None)
    found = []
    for document in documents:
        try:
            found.append(Still(Image.model_validate(document), document.get("checks", 0)))
        except ValidationError:
            later = {"$set": {"check_at": now + UNREADABLE_SPACING}}
            await catalog.images.update_one({"_id": document["_id"], "check_at": document["check_at"]}, later)
    return found


async def drop_originals_of_failed(catalog: Catalog, blobs: BlobStore, retention: timedelta) -> int:
    """Remove the uploads of images without a picture that failed too long ago to be tried again. Returns how many."""
    failed = {
        "state": "failed",
        "event_at": {"$lt": utc_now() - retention},
        "is_original_kept": {"$ne": False},
        "encoded": None,
    }
    dropped = 0
    for image in await catalog.images.find(failed, {"original": 1}).limit(BATCH).to_list(None):
        # A retry before this saves the upload; one that has looked before and acts after this is refused.
        changes = {"$set": {"is_original_kept": False}, "$inc": {"generation": 1}}
        taken = await catalog.images.update_one({"_id": image["_id"], **failed}, changes)
        if taken.matched_count:
            await blobs.delete(image["original"]["blob_id"])
            dropped += 1
    return dropped


async def images_to_purge(catalog: Catalog) -> list[str]:
    """Deleted images whose bytes may still be there."""
    return [image["_id"] for image in await catalog.images.find({"purge": True}, {"_id": 1}).limit(BATCH).to_list(None)]


async def albums_to_sweep(catalog: Catalog) -> list[str]:
    """Deleted albums whose images may still be there."""
    return [album["_id"] for album in await catalog.albums.find({"sweep": True}, {"_id": 1}).limit(BATCH).to_list(None)]
