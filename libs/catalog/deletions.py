"""Deletion wins: a tombstone and its event first, the bytes after, repeated until nothing is left."""

from __future__ import annotations

from functools import partial

from libs.catalog.albums import Caller, album_not_found, image_not_found, visible_album
from libs.catalog.catalog import Catalog, numbered
from libs.catalog.records import VISIBLE
from libs.catalog.side_by_side import side_by_side
from libs.shared.events import AlbumDeleted, Context, ImageDeleted, utc_now
from libs.shared.mongo import Document, Transaction, patiently
from libs.shared.ports import BLOB_KINDS, BlobStore

SWEEP_BATCH = 100
SWEPT_AT_ONCE = 8


async def delete_image(catalog: Catalog, caller: Caller, album_id: str, image_id: str, context: Context) -> None:
    """Make an image and all of its pictures invisible, whatever stage they are in.

    Raises:
        Refusal: ``album-not-found`` or ``image-not-found``.
    """

    def work(transaction: Transaction) -> None:
        if not transaction.update(catalog.albums, visible_album(caller, album_id), {"$inc": {"content_count": -1}}):
            raise album_not_found()
        if not _bury(catalog, transaction, album_id, image_id, context):
            raise image_not_found()

    async with catalog.turn(album_id):
        await catalog.transact(work)


async def delete_album(catalog: Catalog, caller: Caller, album_id: str, context: Context) -> None:
    """Make an album and its images invisible; `sweep_album` buries the images.

    Raises:
        Refusal: ``album-not-found``.
    """

    def work(transaction: Transaction) -> None:
        deleted = numbered({"$set": {"state": "deleted", "sweep": True}})
        album = transaction.change(catalog.albums, visible_album(caller, album_id), deleted)
        if album is None:
            raise album_not_found()
        catalog.record(transaction, AlbumDeleted(album_id=album_id), album, "api", context)

    async with catalog.turn(album_id):
        await catalog.transact(work)


async def sweep_album(catalog: Catalog, blobs: BlobStore, album_id: str, context: Context) -> None:
    """Bury what is left in a deleted album and remove its bytes; safe to repeat and to run twice at once."""
    while await sweep_batch(catalog, blobs, album_id, context):
        pass


async def sweep_batch(catalog: Catalog, blobs: BlobStore, album_id: str, context: Context) -> bool:
    """Bury a part of what is left in a deleted album; False if nothing was left."""
    left = {"album_id": album_id, "state": {"$in": VISIBLE}}
    batch = await patiently(lambda: catalog.images.find(left, {"_id": 1}).limit(SWEEP_BATCH).to_list(None))
    for start in range(0, len(batch), SWEPT_AT_ONCE):
        images = batch[start : start + SWEPT_AT_ONCE]
        await side_by_side(partial(_sweep_image, catalog, blobs, album_id, image["_id"], context) for image in images)
    if not batch:
        await patiently(lambda: catalog.albums.update_one({"_id": album_id}, {"$unset": {"sweep": ""}}))
    return bool(batch)


async def _sweep_image(catalog: Catalog, blobs: BlobStore, album_id: str, image_id: str, context: Context) -> None:
    await catalog.transact(lambda transaction: _bury(catalog, transaction, album_id, image_id, context))
    await purge_image(catalog, blobs, image_id)


async def purge_image(catalog: Catalog, blobs: BlobStore, image_id: str) -> None:
    """Remove every blob that was written for a deleted image, then note that it is done."""
    files = await patiently(lambda: catalog.files.find({"metadata.image_id": image_id}, {"_id": 1}).to_list(None))
    image = await patiently(lambda: catalog.images.find_one({"_id": image_id}, dict.fromkeys(BLOB_KINDS, 1))) or {}
    # By name as well: whoever died in the middle of this left chunks whose file record is gone.
    recorded = {image[name]["blob_id"] for name in BLOB_KINDS if image.get(name)}
    await blobs.delete(*recorded.union(file["_id"] for file in files))
    await patiently(lambda: catalog.images.update_one({"_id": image_id}, {"$unset": {"purge": ""}}))


def _bury(catalog: Catalog, transaction: Transaction, album_id: str, image_id: str, context: Context) -> bool:
    buried: Document = {"state": "deleted", "purge": True}
    if catalog.tombstone_retention is not None:
        buried["expire_at"] = utc_now() + catalog.tombstone_retention
    image = transaction.change(
        catalog.images,
        {"_id": image_id, "album_id": album_id, "state": {"$in": VISIBLE}},
        numbered({"$set": buried, "$unset": {"check_at": "", "checks": "", "early": ""}}),
    )
    if image is not None:
        catalog.record(transaction, ImageDeleted(album_id=album_id, image_id=image_id), image, "api", context)
    return image is not None
