"""What every blob store promises: the one in GridFS, and the one in memory that tests use in its place."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from pydantic import SecretStr

from libs.shared import mongo
from libs.shared.errors import BlobMissing
from libs.shared.events import BlobRef
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.ports import BlobStore
from libs.shared.settings import SharedSettings
from tests.support.memory_blobs import MemoryBlobStore

pytestmark = pytest.mark.anyio
CONTENT = bytes(range(256)) * 3000
"""Three chunks, the last of them short."""


@pytest.fixture(params=["memory", "gridfs"])
async def blobs(request: pytest.FixtureRequest) -> AsyncIterator[BlobStore]:
    if request.param == "memory":
        yield MemoryBlobStore()
        return
    async with AsyncExitStack() as stack:
        url, name = request.getfixturevalue("mongo_url"), request.getfixturevalue("database")
        client = mongo.connect(SharedSettings(mongo_url=SecretStr(url)))
        stack.callback(client.close)
        store = GridFsBlobStore(client[name])
        await store.ensure_indexes()
        yield store


async def stream(content: bytes, piece: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), piece):
        yield content[start : start + piece]


async def broken_stream() -> AsyncIterator[bytes]:
    yield CONTENT
    raise ConnectionResetError


async def written(blobs: BlobStore, content: bytes = CONTENT) -> BlobRef:
    return await blobs.write(stream(content), kind="original", content_type="image/png", image_id=str(uuid.uuid4()))


async def read(blobs: BlobStore, ref: BlobRef, start: int = 0, stop: int | None = None) -> bytes:
    chunks = [chunk async for chunk in blobs.read(ref, start, stop)]
    assert all(0 < len(chunk) <= 255 * 1024 for chunk in chunks)
    return b"".join(chunks)


@pytest.mark.parametrize("content", [CONTENT, b"x", b"", bytes(255 * 1024), bytes(255 * 1024 + 1)], ids=len)
async def test_what_was_written_is_read(blobs: BlobStore, content: bytes) -> None:
    ref = await written(blobs, content)
    assert (ref.length, ref.content_type) == (len(content), "image/png")
    assert ref.sha256 == hashlib.sha256(content).hexdigest()
    assert await read(blobs, ref) == content


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (5, 10), (261_119, 261_121), (700_000, None), (10, 10_000_000)])
async def test_a_part_is_read_as_a_slice(blobs: BlobStore, start: int, stop: int | None) -> None:
    assert await read(blobs, await written(blobs), start, stop) == CONTENT[start:stop]


async def test_every_blob_has_an_id_of_its_own(blobs: BlobStore) -> None:
    assert (await written(blobs)).blob_id != (await written(blobs)).blob_id


async def test_a_deleted_blob_is_missing_and_may_be_deleted_again(blobs: BlobStore) -> None:
    gone, kept = await written(blobs), await written(blobs)
    await blobs.delete(gone.blob_id, "never there")
    await blobs.delete(gone.blob_id)
    with pytest.raises(BlobMissing):
        await read(blobs, gone)
    assert await read(blobs, kept) == CONTENT


async def test_a_stream_that_breaks_is_not_stored(blobs: BlobStore) -> None:
    with pytest.raises(ConnectionResetError):
        await blobs.write(broken_stream(), kind="original", content_type="image/png", image_id="image")
    assert await read(blobs, await written(blobs)) == CONTENT
