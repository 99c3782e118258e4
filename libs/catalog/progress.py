"""What the stages' results change: only the current attempt counts, and its first result wins.

Each function applies one event and is safe to repeat; blobs that lost are the caller's to delete, see `Outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from libs.catalog.catalog import Catalog, numbered, step
from libs.catalog.records import Image
from libs.shared.events import Context, ImageEncoded, ImageFailed, ThumbnailCreated, blob_ids, utc_now
from libs.shared.mongo import Document, Transaction


@dataclass(frozen=True)
class Outcome:
    """What came of a result.

    Attributes:
        image: as it is now, if the result was accepted, and so an event waits to be published.
        lost: ids of blobs that nothing refers to any more.
        early: the thumbnailer's answer that had come before its picture, now to be applied.
    """

    image: Image | None = None
    lost: list[str] = field(default_factory=list)
    early: ThumbnailCreated | ImageFailed | None = None


async def accept_encoded(catalog: Catalog, event: ImageEncoded, context: Context) -> Outcome:
    """Record the encoded picture of an image that is queued."""
    now = utc_now()
    changes = {
        "$set": {
            "state": "encoded",
            "encoded": event.encoded.model_dump(),
            "preview": event.preview.model_dump() if event.preview else None,
            "width": event.width,
            "height": event.height,
            "format": event.format,
            "animated": event.animated,
            "placeholder": event.placeholder,
            "attempts": event.generation,
            "check_at": now + catalog.check_after,
        },
        "$unset": {"checks": ""},
        "$push": step("encoded", now),
    }
    wanted = {"_id": event.image_id, "generation": event.generation, "state": "queued"}
    image = await _change(catalog, wanted, changes, event, "decoder", context)
    if image is not None:
        return Outcome(Image.model_validate(image), early=_early(image))
    known = {"_id": event.image_id, "state": {"$ne": "deleted"}, "encoded.blob_id": event.encoded.blob_id}
    duplicate = await catalog.images.find_one(known)
    if duplicate is not None:
        # Whoever applied it may have died before the answer that had come early was applied as well.
        return Outcome(early=_early(duplicate))
    return Outcome(lost=blob_ids(event.encoded, event.preview))


async def accept_thumbnail(
    catalog: Catalog, event: ThumbnailCreated, context: Context, *, keep_original: bool
) -> Outcome:
    """Record the thumbnail of the encoded picture that the catalog has.

    What the image needs no longer is lost then: the preview, and the original unless it is to be kept.
    """
    now = utc_now()
    changes: Document = {
        "$set": {"state": "ready", "thumbnail": event.thumbnail.model_dump()},
        "$unset": {"check_at": "", "checks": "", "early": "", "deaths": ""},
        "$push": step("ready", now),
    }
    # Decided once: a thumbnail that is made again neither brings an original back nor takes it away.
    decision = {"is_original_kept": keep_original}
    deciding = {**changes, "$set": {**changes["$set"], **decision}}
    wanted = {
        "_id": event.image_id,
        "generation": event.generation,
        "state": "encoded",
        "encoded.blob_id": event.source.blob_id,
    }
    while True:
        # Not just `wanted` the second time: the image may have become one to decide about in between.
        document = await _change(
            catalog, {**wanted, "is_original_kept": None}, deciding, event, "thumbnailer", context
        ) or await _change(
            catalog, {**wanted, "is_original_kept": {"$ne": None}}, changes, event, "thumbnailer", context
        )
        if document is not None:
            image = Image.model_validate(document)
            return Outcome(image, lost=_leftovers(image))
        if await _keep_for_later(catalog, event):
            return Outcome()
        known = await _find(catalog, event.image_id)
        if known is not None and known.thumbnail is not None and known.thumbnail.blob_id == event.thumbnail.blob_id:
            return Outcome(lost=_leftovers(known))
        if not _is_awaited(known, event):
            return Outcome(lost=blob_ids(event.thumbnail))


async def accept_failed(catalog: Catalog, event: ImageFailed, context: Context) -> Outcome:
    """Record that an image failed: at the decoder while queued, at the thumbnailer while encoded."""
    is_decoding = event.stage == "decoder"
    wanted = {
        "_id": event.image_id,
        "generation": event.generation,
        "state": "queued" if is_decoding else "encoded",
    }
    changes = failure(event.code, event.message, event.attempts)
    while True:
        document = await _change(catalog, wanted, changes, event, event.stage, context)
        if document is not None:
            return Outcome(Image.model_validate(document))
        if is_decoding or await _keep_for_later(catalog, event):
            return Outcome()
        if not _is_awaited(await _find(catalog, event.image_id), event):
            return Outcome()


def failure(code: str, message: str, attempts: int) -> Document:
    """The update that makes an image failed."""
    return {
        "$set": {"state": "failed", "code": code, "failure": message, "attempts": attempts},
        "$unset": {"check_at": "", "checks": "", "early": ""},
        "$push": step("failed", utc_now()),
    }


def _early(image: Document) -> ThumbnailCreated | ImageFailed | None:
    early: Document | None = image.get("early")
    if early is None:
        return None
    return (ThumbnailCreated if "thumbnail" in early else ImageFailed).model_validate(early)


async def _change(
    catalog: Catalog,
    wanted: Document,
    changes: Document,
    event: ImageEncoded | ThumbnailCreated | ImageFailed,
    service: str,
    context: Context,
) -> Document | None:
    def work(transaction: Transaction) -> Document | None:
        image = transaction.change(catalog.images, wanted, numbered(changes))
        if image is not None:
            catalog.record(transaction, event, image, service, context)
        return image

    return await catalog.transact(work)


async def _keep_for_later(catalog: Catalog, event: ThumbnailCreated | ImageFailed) -> bool:
    """Keep the thumbnailer's answer to a picture that the catalog has not heard of yet; of several, the first.

    Returns:
        Whether it is not heard of yet. An answer that is not kept may count all the same, if its message is delivered
        twice and applied once more when the picture is there: so what it brought is left to the check of the store.
    """
    wanted = {"_id": event.image_id, "generation": event.generation, "state": "queued"}
    first = {"$ifNull": ["$early", {"$literal": event.model_dump(mode="json")}]}
    return bool((await catalog.images.update_one(wanted, [{"$set": {"early": first}}])).matched_count)


def _is_awaited(image: Image | None, event: ThumbnailCreated | ImageFailed) -> bool:
    """Whether the image moved on while we looked, from queued, where answers are kept, to encoded, where they count."""
    if image is None or image.generation != event.generation or image.encoded is None or image.state != "encoded":
        return False
    return isinstance(event, ImageFailed) or image.encoded.blob_id == event.source.blob_id


async def _find(catalog: Catalog, image_id: str) -> Image | None:
    document = await catalog.images.find_one({"_id": image_id, "state": {"$nin": ["deleted", "receiving"]}})
    return None if document is None else Image.model_validate(document)


def _leftovers(image: Image) -> list[str]:
    return blob_ids(image.preview, None if image.is_original_kept else image.original)
