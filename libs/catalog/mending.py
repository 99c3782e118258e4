"""What can be done for an image whose blobs are not as its record says; nothing that could still be read is removed."""

from __future__ import annotations

from collections.abc import Mapping

from libs.catalog.catalog import Catalog
from libs.catalog.exhaustion import BYTES_LOST, FORGET, give_up
from libs.catalog.records import Image
from libs.catalog.requests import request_picture, request_thumbnail
from libs.catalog.soundness import UNUSABLE, Verdict, promised
from libs.shared.events import blob_ids
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.mongo import patiently
from libs.shared.ports import BlobKind

Verdicts = Mapping[BlobKind, Verdict]


async def mend(catalog: Catalog, blobs: GridFsBlobStore, image: Image, verdicts: Verdicts) -> set[BlobKind]:
    """Set an image right, by making again what can be made and no longer promising what is gone.

    - A blob that only lacks its file record gets it back.
    - A thumbnail is made from the picture again, a picture from the upload.
    - With neither a usable picture nor upload, the image fails with ``attempts-exhausted``.
    - An upload that is gone while its picture is there is forgotten; so is a thumbnail that is lost after its picture.

    An upload that is damaged, or a picture whose bytes have changed and which nothing can replace, is left for a
    backup to put right.

    Returns:
        The kinds of blobs that are no longer wrong, or are being made again.
    """
    mended = await _list_again(blobs, image, verdicts)
    bad = {kind: verdict for kind, verdict in verdicts.items() if verdict != "sound" and kind not in mended}
    if "encoded" in bad:
        return mended | await _mend_picture(catalog, blobs, image, bad)
    if image.state == "queued" and bad.get("original") in UNUSABLE:
        return mended | await _fail(catalog, image, bad)
    # Before the thumbnail begins a new generation, of which this cannot know whether it works on the upload.
    if bad.get("original") == "gone" and await _forget(catalog, image, "original"):
        mended.add("original")
    if image.encoded is None:
        if bad.get("thumbnail") in UNUSABLE and await _forget(catalog, image, "thumbnail"):
            mended.add("thumbnail")
    elif "thumbnail" in bad and await request_thumbnail(catalog, image, image.context):
        await blobs.delete(*blob_ids(image.thumbnail))
        mended.add("thumbnail")
    return mended


async def _list_again(blobs: GridFsBlobStore, image: Image, verdicts: Verdicts) -> set[BlobKind]:
    refs = promised(image)
    unlisted = {kind for kind, verdict in verdicts.items() if verdict == "unlisted"}
    for kind in unlisted:
        await blobs.write_record(refs[kind], kind, image.id)
    return unlisted


async def _mend_picture(catalog: Catalog, blobs: GridFsBlobStore, image: Image, bad: Verdicts) -> set[BlobKind]:
    if "original" in promised(image) and "original" not in bad:
        if not await request_picture(catalog, image, image.context):
            return set()
        await blobs.delete(*blob_ids(image.encoded, image.preview, image.thumbnail))
        return {"encoded", "thumbnail"}
    return await _fail(catalog, image, bad) if bad["encoded"] in UNUSABLE else set()


async def _fail(catalog: Catalog, image: Image, bad: Verdicts) -> set[BlobKind]:
    # What is left of an upload stays, for whoever may still make something of it.
    lost: set[BlobKind] = {kind for kind, verdict in bad.items() if verdict == "gone" or kind != "original"}
    failed = await give_up(catalog, image, "api", BYTES_LOST, image.attempts, image.context, lost=frozenset(lost))
    return lost if failed else set()


async def _forget(catalog: Catalog, image: Image, kind: BlobKind) -> bool:
    wanted = {"_id": image.id, "generation": image.generation, f"{kind}.blob_id": promised(image)[kind].blob_id}
    return bool((await patiently(lambda: catalog.images.update_one(wanted, FORGET[kind]))).modified_count)
