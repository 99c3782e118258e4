"""The API as a consumer: applies the stages' results to the catalog, which nobody else writes."""

from __future__ import annotations

import re
from typing import Any

from libs.catalog import progress
from libs.catalog.progress import Outcome
from libs.shared.errors import BlobMissing, ContractBreach
from libs.shared.events import BlobRef, Context, Event, ImageEncoded, ImageFailed, ThumbnailCreated
from libs.shared.ports import BlobKind
from services.api.core import Core

_HASH = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"image/[a-z0-9.+-]+")
CONSUMES = (ImageEncoded, ThumbnailCreated, ImageFailed)
PREFETCH = 32


async def apply(core: Core, event: Event, context: Context) -> None:
    """Apply one result. Duplicates, late and superseded results change nothing; what they stored is deleted.

    Raises:
        BlobMissing: the result names a blob that is not there, so it is not one.
        ContractBreach: it names one that is another image's, of another kind, or other than it says.
    """
    outcome = await _accept(core, event, context)
    if outcome.image is not None:
        core.metrics.count_step(outcome.image)
    if outcome.lost:
        await core.blobs.delete(*outcome.lost)
    if outcome.early is not None:
        await apply(core, outcome.early, context)


async def _accept(core: Core, event: Event, context: Context) -> Outcome:
    if isinstance(event, (ImageEncoded, ThumbnailCreated)) and min(event.width, event.height) < 1:
        raise ContractBreach("no picture has such a size")
    if isinstance(event, ImageEncoded):
        await _require(core, event.image_id, "encoded", event.encoded, event.preview)
        return await progress.accept_encoded(core.catalog, event, context)
    if isinstance(event, ThumbnailCreated):
        await _require(core, event.image_id, "thumbnail", event.thumbnail)
        keep = core.settings.keep_originals
        return await progress.accept_thumbnail(core.catalog, event, context, keep_original=keep)
    if isinstance(event, ImageFailed):
        return await progress.accept_failed(core.catalog, event, context)
    raise ContractBreach(f"{event.routing_key} is no result")


async def _require(core: Core, image_id: str, kind: BlobKind, ref: BlobRef, preview: BlobRef | None = None) -> None:
    """What a result names is shown, or deleted, so no message may name what is another's, or the image's upload.

    Each blob says whose it is. What else it says must be so; stages of other makes may say no more. Hash and type are
    sent to browsers as the result gives them.
    """
    named: dict[str, dict[str, Any]] = {ref.blob_id: {"kind": kind, **ref.model_dump()}}
    if preview is not None:
        named[preview.blob_id] = {"kind": "preview", **preview.model_dump()}
    for said in named.values():
        if not (_HASH.fullmatch(said["sha256"]) and _MEDIA_TYPE.fullmatch(said["content_type"])):
            raise ContractBreach("it names a blob with a hash or type that no picture has")
    found = await core.blobs.find(*named)
    for blob_id, stored in found.items():
        is_as_named = all(stored.get(fact, value) == value for fact, value in named[blob_id].items())
        if stored.get("image_id") != image_id or not is_as_named:
            raise ContractBreach("it names a blob that is not its image's, or other than it says")
    if ref.blob_id not in found:
        # Deleted with its image while the end of it was being written: that end came after the deletion.
        await core.blobs.delete(*named)
        raise BlobMissing(ref.blob_id)
