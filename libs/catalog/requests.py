"""Asking the pipeline for work again: a retry, a thumbnail that is missing, an image that stands still.

Each begins a new generation, so that whatever an older attempt still delivers is recognised and dropped.
"""

from __future__ import annotations

from libs.catalog.catalog import Catalog, numbered, step
from libs.catalog.records import Image
from libs.shared.errors import Refusal
from libs.shared.events import Context, ImageUploaded, ThumbnailRequested, utc_now
from libs.shared.mongo import Document, Transaction

LONGEST_SPACING = 64
"""How many times as long as at first an image that stands still is left alone at most."""


async def retry(catalog: Catalog, image: Image, context: Context) -> Image:
    """Queue a failed image again, at the stage where it failed.

    Raises:
        Refusal: ``job-not-failed``, or ``original-not-kept`` if neither upload nor picture are left to work on.
    """
    if not image.is_workable:
        raise Refusal("original-not-kept", "the upload is lost, so there is nothing to try again with")
    again = await _again(catalog, image, {"state": "failed"}, context, is_told=True)
    if again is None:
        raise Refusal("job-not-failed", "the job has not failed, so there is nothing to retry")
    return again


async def request_thumbnail(catalog: Catalog, image: Image, context: Context) -> bool:
    """Ask for the thumbnail of an image that has lost it or failed to get one.

    Returns:
        Whether this call asked; of many at once, one does.
    """
    return await _again(catalog, image, {"state": image.state}, context, is_told=False) is not None


async def request_picture(catalog: Catalog, image: Image, context: Context) -> bool:
    """Ask for an encoded picture that is lost to be made from the upload again, and its thumbnail with it.

    Returns:
        Whether this call asked; not if the image has moved on.
    """
    assert image.encoded is not None
    lost = {"state": image.state, "encoded.blob_id": image.encoded.blob_id}
    without = image.model_copy(update={"encoded": None})
    return await _again(catalog, without, lost, context, is_told=False) is not None


async def emit_again(
    catalog: Catalog, image: Image, checks: int, context: Context, *, is_after_death: bool = False
) -> bool:
    """Give an image that stands still to its stage once more, and look at it later each time.

    Args:
        catalog: the catalog.
        image: as it was when it was found.
        checks: how often it was given before without a sign of it.
        context: what this continues.
        is_after_death: whether a dead letter made it stand still, which is counted.

    Returns:
        Whether this call gave it; not if the image has moved on.
    """
    still = {"state": image.state}
    again = await _again(catalog, image, still, context, is_told=False, checks=checks, is_after_death=is_after_death)
    return again is not None


def _basis(image: Image) -> Document:
    """Selects an image that still has what it is to be made from: a check that finds that lost, forgets it."""
    if image.encoded is None:
        return {"is_original_kept": {"$ne": False}}
    return {"encoded.blob_id": image.encoded.blob_id}


async def _again(
    catalog: Catalog,
    image: Image,
    wanted: Document,
    context: Context,
    *,
    is_told: bool,
    checks: int = 0,
    is_after_death: bool = False,
) -> Image | None:
    now = utc_now()
    generation = image.generation + 1
    state = "queued" if image.encoded is None else "encoded"
    forgotten = ["thumbnail", "early", "code", "failure"]
    if image.encoded is None:
        forgotten += ["encoded", "preview"]
    if is_told:
        forgotten += ["deaths"]  # a person's decision opens a new account
    changes: Document = {
        "$set": {
            "state": state,
            "generation": generation,
            "check_at": now + catalog.check_after * min(2**checks, LONGEST_SPACING),
            "checks": checks,
        },
        "$unset": dict.fromkeys(forgotten, ""),
    }
    if is_after_death:
        changes["$inc"] = {"deaths": 1}
    if state != image.state:
        changes["$push"] = step(state, now)
    is_public = is_told and image.encoded is None
    ids = {"album_id": image.album_id, "image_id": image.id, "generation": generation}

    def work(transaction: Transaction) -> Document | None:
        document = transaction.change(
            catalog.images,
            {"_id": image.id, "generation": image.generation, **_basis(image), **wanted},
            numbered(changes) if is_public else changes,
        )
        if document is None:
            return None
        if image.encoded is not None:
            catalog.request(
                transaction, ThumbnailRequested(encoded=image.encoded, preview=image.preview, **ids), context
            )
        else:
            event = ImageUploaded(original=document["original"], **ids)
            if is_public:
                catalog.record(transaction, event, document, "api", context)
            else:
                catalog.request(transaction, event, context)
        return document

    document = await catalog.transact(work)
    return None if document is None else Image.model_validate(document)
