"""The blob store on MongoDB GridFS, format-compatible with every driver's own.

The drivers' upload streams hold up to 48 MB and their download streams up to 16 MB of a file (PyMongo 4.20,
`gridfs/grid_file_shared.py`; the server's first batch), so chunks are written and read here.
Format: https://github.com/mongodb/specifications/blob/master/source/gridfs/gridfs-spec.md
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Literal

import anyio
from bson.int64 import Int64
from pymongo import ASCENDING, IndexModel
from pymongo.errors import BulkWriteError, DuplicateKeyError, WriteConcernError

from libs.shared import indexes, tracing
from libs.shared.errors import MACHINE_ERRORS, BlobMissing, Outage
from libs.shared.events import BlobRef, utc_now
from libs.shared.mongo import Collection, Database, cleanup_seconds, patiently, to_its_end
from libs.shared.mongo_errors import DUPLICATE_KEY, DriverError
from libs.shared.ports import CHUNK_BYTES, BlobKind

BATCH_CHUNKS = 2
"""Chunks in flight in one transfer: at most two batches of half a mebibyte are in memory."""
BATCH_BYTES = BATCH_CHUNKS * CHUNK_BYTES


class GridFsBlobStore:
    """Implements `libs.shared.ports.BlobStore` on the bucket ``fs`` of a database."""

    def __init__(
        self, database: Database, on_bytes: Callable[[Literal["read", "write"], int], None] = lambda way, length: None
    ) -> None:
        """Look at the bucket of a database.

        Args:
            database: where it is.
            on_bytes: told of the bytes that were read or written, a few chunks at a time.
        """
        self._on_bytes = on_bytes
        self._files: Collection = database["fs.files"]
        self._chunks: Collection = database["fs.chunks"]

    async def ensure_indexes(self) -> None:
        """Make the two indexes that the GridFS specification asks for."""
        await indexes.ensure(self._files, IndexModel([("filename", ASCENDING), ("uploadDate", ASCENDING)]))
        await indexes.ensure(self._chunks, IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], unique=True))

    async def find(self, *blob_ids: str) -> dict[str, dict[str, Any]]:
        """Those of the blobs that exist, and what their records say: ``length``, and the writer's metadata."""
        documents = await patiently(lambda: self._files.find({"_id": {"$in": list(blob_ids)}}).to_list(None))
        return {file["_id"]: {**(file.get("metadata") or {}), "length": file["length"]} for file in documents}

    async def write(
        self,
        content: AsyncIterator[bytes],
        *,
        kind: BlobKind,
        content_type: str,
        image_id: str,
        blob_id: str | None = None,
    ) -> BlobRef:
        """See the port. ``blob_id`` is for callers that record the id before the first byte is stored."""
        blob_id = blob_id or str(uuid.uuid4())
        digest, number, pending = hashlib.sha256(), 0, bytearray()
        try:
            with tracing.span("store blob", {"album.blob.kind": kind}):
                async for piece in content:
                    digest.update(piece)
                    pending += piece
                    while len(pending) > BATCH_BYTES:
                        await self._insert(blob_id, number, pending[:BATCH_BYTES])
                        del pending[:BATCH_BYTES]
                        number += BATCH_CHUNKS
                length = number * CHUNK_BYTES + len(pending)
                ref = BlobRef(blob_id=blob_id, length=length, sha256=digest.hexdigest(), content_type=content_type)
                # One wait for the journal instead of two: nobody knows the blob before both are there.
                await _all(self._insert(blob_id, number, pending), self.write_record(ref, kind, image_id))
        except BaseException as error:
            # Bounded, so that a process stops in time while the database is away: the repairs find the rest.
            with anyio.move_on_after(cleanup_seconds(error), shield=True), suppress(Outage):
                await self.delete(blob_id)
            raise
        return ref

    async def _insert(self, blob_id: str, first: int, data: bytearray) -> None:
        view = memoryview(data)
        documents = [
            {"files_id": blob_id, "n": first + place, "data": bytes(view[start : start + CHUNK_BYTES])}
            for place, start in enumerate(range(0, len(data), CHUNK_BYTES))
        ]

        async def insert() -> None:
            try:
                await to_its_end(self._chunks.insert_many(documents, ordered=False))
            except BulkWriteError as error:
                # The id is this attempt's own, so a chunk that is there already is ours, written just before
                # the connection broke.
                if any(entry.get("code") != DUPLICATE_KEY for entry in error.details["writeErrors"]):
                    raise
                if error.details["writeConcernErrors"]:
                    raise WriteConcernError("no majority has the chunks yet") from error

        if documents:
            await patiently(insert)
            self._on_bytes("write", len(data))

    async def write_record(self, ref: BlobRef, kind: BlobKind, image_id: str) -> None:
        """Write the file record of a blob whose chunks are all there; what makes it exist."""
        document = {
            "_id": ref.blob_id,
            "length": Int64(ref.length),
            "chunkSize": CHUNK_BYTES,
            "uploadDate": utc_now(),
            "filename": f"{image_id}.{kind}",
            "metadata": {
                "image_id": image_id,
                "kind": kind,
                "sha256": ref.sha256,
                "content_type": ref.content_type,
            },
        }

        async def insert() -> None:
            # A record that is there already is ours, from the try before the connection broke.
            with suppress(DuplicateKeyError):
                await to_its_end(self._files.insert_one(document))

        await patiently(insert)

    async def read(self, ref: BlobRef, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """See the port."""
        stop = ref.length if stop is None else min(stop, ref.length)
        if start >= stop:
            return
        size = await self._chunk_size(ref) if start else ref.length
        number, end = start // size, stop
        skip = start - number * size
        while True:
            batch = await self._find(ref, number)
            for document in batch:
                data: bytes = document["data"]
                if number == 0:
                    size = len(data)
                if document["n"] != number or len(data) != min(size, ref.length - number * size):
                    raise BlobMissing(ref.blob_id)
                yield data[skip : end - number * size]
                skip = 0
                number += 1
                if number * size >= end:
                    return
            if not batch:
                raise BlobMissing(ref.blob_id)

    async def _find(self, ref: BlobRef, number: int) -> list[dict[str, Any]]:
        # A query a batch holds no cursor open while a slow client reads.
        wanted = {"files_id": ref.blob_id, "n": {"$gte": number, "$lt": number + BATCH_CHUNKS}}
        found = await patiently(lambda: self._chunks.find(wanted).sort("n").to_list(BATCH_CHUNKS))
        self._on_bytes("read", sum(len(document["data"]) for document in found))
        return found

    async def _chunk_size(self, ref: BlobRef) -> int:
        file = await patiently(lambda: self._files.find_one({"_id": ref.blob_id}, {"chunkSize": 1}))
        if file is None:
            raise BlobMissing(ref.blob_id)
        return int(file["chunkSize"])

    async def delete(self, *blob_ids: str) -> None:
        """See the port. The file record goes first, so that no reader finds a record without its chunks."""
        ids = {"$in": list(blob_ids)}
        await patiently(lambda: self._files.delete_many({"_id": ids}))
        await patiently(lambda: self._chunks.delete_many({"files_id": ids}))


async def _all(*writes: Awaitable[None]) -> None:
    """Wait for writes side by side, for all of them even when one fails: a clean-up must not overtake the others."""
    errors: list[Exception] = []

    async def wait(write: Awaitable[None]) -> None:
        try:
            await write
        except (Outage, DriverError, *MACHINE_ERRORS) as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        for write in writes:
            group.start_soon(wait, write)
    if errors:
        raise errors[0]
