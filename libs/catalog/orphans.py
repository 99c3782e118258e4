"""Bytes that nothing refers to: files no image names, chunks without a file record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.catalog.catalog import Catalog
from libs.catalog.soundness import count_chunks
from libs.shared.mongo import Document, patiently
from libs.shared.ports import BLOB_KINDS

FILES_BATCH = 500
CHUNKS_BATCH = 5000
_SHAPE = {"length": 1, "uploadDate": 1, "metadata.image_id": 1, "metadata.kind": 1}
_NAMING = {
    "state": 1,
    "purge": 1,
    "blob_id": 1,
    "is_original_kept": 1,
    **{f"{kind}.blob_id": 1 for kind in BLOB_KINDS},
}


@dataclass(frozen=True)
class Orphan:
    """A blob, or what is left of one, that may go; ``reason`` says why in a few words."""

    blob_id: str
    bytes: int
    reason: str


@dataclass(frozen=True)
class Batch:
    """What one look found: ``seen`` counts what it looked at, ``last`` is where the next begins, None at the end."""

    orphans: list[Orphan]
    last: str | None
    seen: int


async def orphan_files(catalog: Catalog, after: str, before: datetime) -> Batch:
    """The orphans among the next files.

    Files of deleted images are orphans at once. Others are when they are older than ``before`` and their image is
    unknown, or has come to rest without naming them; while it is in the pipeline, a message may still name them.
    """
    following = {"_id": {"$gt": after}}
    files = await patiently(lambda: catalog.files.find(following, _SHAPE).sort("_id").limit(FILES_BATCH).to_list(None))
    ids = list({_image_id(file) for file in files} - {None})
    # Read after the files: a file that was named when it was seen is named now, unless it has been given up since.
    found = await patiently(lambda: catalog.images.find({"_id": {"$in": ids}}, _NAMING).to_list(None))
    images = {image["_id"]: image for image in found}
    orphans = []
    for file in files:
        reason = _why_orphan(file, images.get(_image_id(file)), is_old=file["uploadDate"] < before)
        if reason is not None:
            orphans.append(Orphan(file["_id"], int(file["length"]), reason))
    return Batch(orphans, files[-1]["_id"] if files else None, len(files))


async def orphan_chunks(catalog: Catalog, after: str, before: datetime) -> Batch:
    """The orphans among the next chunks: those without a file record, none of which was written since ``before``.

    An upload that takes long keeps writing chunks, and its intent names its blob.
    """
    # Both fields are in the index that the bucket has, so that no chunk is read for this.
    following = catalog.chunks.find({"files_id": {"$gt": after}}, {"_id": 0, "files_id": 1, "n": 1})
    keys = await patiently(
        lambda: following.clone().sort([("files_id", 1), ("n", 1)]).limit(CHUNKS_BATCH).to_list(None)
    )
    ids = list(dict.fromkeys(key["files_id"] for key in keys))
    candidates = await _without_file(catalog, ids)
    receiving = {"state": "receiving", "blob_id": {"$in": candidates}}
    intents = await patiently(lambda: catalog.images.find(receiving, {"blob_id": 1}).to_list(None))
    arriving = {intent["blob_id"] for intent in intents}
    totals = await count_chunks(catalog, candidates) if candidates else []
    old = [total for total in totals if total["newest"] is None or total["newest"] < before]
    # Asked again after their age is known: a write that ended meanwhile has its record now.
    lost = set(await _without_file(catalog, [total["_id"] for total in old])) - arriving
    orphans = [
        Orphan(total["_id"], total["bytes"], f"chunks without a file record: {total['count']}")
        for total in sorted(old, key=lambda total: str(total["_id"]))
        if total["_id"] in lost
    ]
    return Batch(orphans, ids[-1] if ids else None, len(ids))


async def _without_file(catalog: Catalog, blob_ids: Sequence[str]) -> list[str]:
    listed = {"_id": {"$in": list(blob_ids)}}
    files = await patiently(lambda: catalog.files.find(listed, {"_id": 1}).to_list(None)) if blob_ids else []
    known = {file["_id"] for file in files}
    return [blob_id for blob_id in blob_ids if blob_id not in known]


def _image_id(file: Document) -> str | None:
    image_id = (file.get("metadata") or {}).get("image_id")
    return image_id if isinstance(image_id, str) else None


def _why_orphan(file: Document, image: Document | None, *, is_old: bool) -> str | None:
    kind = (file.get("metadata") or {}).get("kind", "file")
    if image is None:
        return f"{kind} of an image that is not known" if is_old else None
    if image["state"] == "deleted":
        # While its deletion is under way, its bytes are about to go anyway.
        return None if image.get("purge") else f"{kind} of a deleted image"
    if image["state"] in ("queued", "encoded") or not is_old or file["_id"] in _named(image):
        return None
    return f"{kind} that its image does not name"


def _named(image: Document) -> set[str]:
    if image["state"] == "receiving":
        return {image["blob_id"]}
    kinds = set(BLOB_KINDS)
    if not image.get("is_original_kept", True):
        kinds.remove("original")
    if image["state"] == "ready":
        kinds.remove("preview")
    return {ref["blob_id"] for kind in kinds if (ref := image.get(kind))}
