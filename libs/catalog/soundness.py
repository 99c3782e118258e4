"""Whether the blobs that records name are there, whole and unchanged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from libs.catalog.catalog import Catalog
from libs.catalog.records import Image
from libs.shared.errors import BlobMissing
from libs.shared.events import BlobRef
from libs.shared.mongo import Document, patiently
from libs.shared.ports import CHUNK_BYTES, BlobKind, BlobStore

Verdict = Literal["sound", "unlisted", "gone", "damaged", "wrong-hash"]
"""``unlisted``: every chunk is there and only the file record is not. ``damaged``: chunks are missing or short."""

UNUSABLE: frozenset[Verdict] = frozenset({"gone", "damaged"})
"""What nobody can read to its end."""


def promised(image: Image) -> dict[BlobKind, BlobRef]:
    """The blobs that have to be there for an image as it stands.

    Its preview is not among them: it only saves the thumbnailer work, and does without saying so.
    """
    refs: dict[BlobKind, BlobRef | None] = {
        "original": image.original if image.is_original_kept else None,
        "encoded": image.encoded,
        "thumbnail": image.thumbnail,
    }
    return {kind: ref for kind, ref in refs.items() if ref is not None}


async def judge(catalog: Catalog, refs: Sequence[BlobRef]) -> dict[str, Verdict]:
    """A verdict for each blob by its id, from its record and the number and lengths of its chunks.

    The server adds them up, so that no bytes travel; see `hash_is_right` for what only the bytes tell.
    """
    ids = [ref.blob_id for ref in refs]
    shape = {"length": 1, "chunkSize": 1}
    files = await patiently(lambda: catalog.files.find({"_id": {"$in": ids}}, shape).to_list(None))
    records = {file["_id"]: file for file in files}
    totals = {total["_id"]: total for total in await count_chunks(catalog, ids)}
    return {ref.blob_id: _verdict(ref, records.get(ref.blob_id), totals.get(ref.blob_id)) for ref in refs}


async def count_chunks(catalog: Catalog, blob_ids: Sequence[str]) -> list[Document]:
    """Of each blob with any chunk: their ``count``, ``bytes``, ``last`` number, and when the ``newest`` was made."""
    made = {"$convert": {"input": "$_id", "to": "date", "onError": None, "onNull": None}}
    pipeline: list[Document] = [
        {"$match": {"files_id": {"$in": list(blob_ids)}}},
        {
            "$group": {
                "_id": "$files_id",
                "count": {"$sum": 1},
                "bytes": {"$sum": {"$binarySize": "$data"}},
                "last": {"$max": "$n"},
                "newest": {"$max": made},
            }
        },
    ]
    return await patiently(lambda: catalog.chunks.aggregate(pipeline).to_list(None), takes_long=True)


async def hash_is_right(blobs: BlobStore, ref: BlobRef) -> bool:
    """Whether the bytes, read as a stream, are those that were written, in the chunks they were written in."""
    digest = hashlib.sha256()
    try:
        async for piece in blobs.read(ref):
            digest.update(piece)
    except BlobMissing:
        return False
    return digest.hexdigest() == ref.sha256


def _verdict(ref: BlobRef, record: Document | None, chunks: Document | None) -> Verdict:
    size = record["chunkSize"] if record else CHUNK_BYTES
    wanted = -(-ref.length // size)
    is_whole = (
        chunks is not None
        and chunks["count"] == wanted
        and chunks["last"] == wanted - 1
        and chunks["bytes"] == ref.length
    )
    if record is None:
        return "unlisted" if is_whole else "gone"
    return "sound" if is_whole and record["length"] == ref.length else "damaged"
