"""Any GridFS client reads what we store, and we read what it stores."""

from __future__ import annotations

import hashlib
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import anyio
import pytest
from gridfs import GridFSBucket, NoFile
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.database import Database

from libs.shared import mongo
from libs.shared.errors import BlobMissing, Outage
from libs.shared.events import BlobRef
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.ports import CHUNK_BYTES
from libs.shared.settings import SharedSettings

pytestmark = pytest.mark.anyio

LENGTHS = [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 5 * CHUNK_BYTES + 7]
OTHER_CHUNK_BYTES = [1000, CHUNK_BYTES, 1024 * 1024]


@asynccontextmanager
async def store_at(mongo_url: str, database: str) -> AsyncIterator[GridFsBlobStore]:
    client = mongo.connect(SharedSettings(mongo_url=SecretStr(mongo_url)))
    store = GridFsBlobStore(client[database])
    await store.ensure_indexes()
    yield store
    client.close()


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[GridFsBlobStore]:
    async with store_at(mongo_url, database) as store:
        yield store


@pytest.fixture
def plain(mongo_url: str, database: str) -> Any:
    """The same database, as any other program sees it."""
    with MongoClient[dict[str, Any]](mongo_url, tz_aware=True) as client:
        yield client[database]


def content_of(length: int) -> bytes:
    return (b"%08d" % length * (length // 8 + 1))[:length]


async def pieces(content: bytes, size: int = 70_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def write(store: GridFsBlobStore, content: AsyncIterator[bytes]) -> BlobRef:
    return await store.write(content, kind="original", content_type="image/png", image_id="an-image")


async def read(store: GridFsBlobStore, ref: BlobRef, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([piece async for piece in store.read(ref, start, stop)])


@pytest.mark.parametrize("length", LENGTHS)
async def test_pymongo_reads_our_files_byte_for_byte(
    store: GridFsBlobStore, plain: Database[dict[str, Any]], length: int
) -> None:
    content = content_of(length)

    ref = await write(store, pieces(content))

    with GridFSBucket(plain).open_download_stream(ref.blob_id) as file:
        assert file.read() == content
        assert (file.length, file.chunk_size, file.filename) == (length, CHUNK_BYTES, "an-image.original")
        assert datetime.now(timezone.utc) - file.upload_date < timedelta(minutes=1)
        assert file.metadata == {
            "image_id": "an-image",
            "kind": "original",
            "sha256": hashlib.sha256(content).hexdigest(),
            "content_type": "image/png",
        }


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("chunk_bytes", OTHER_CHUNK_BYTES)
async def test_our_reader_reads_pymongos_files_byte_for_byte(
    store: GridFsBlobStore, plain: Database[dict[str, Any]], length: int, chunk_bytes: int
) -> None:
    content, blob_id = content_of(length), str(uuid.uuid4())
    GridFSBucket(plain, chunk_size_bytes=chunk_bytes).upload_from_stream_with_id(blob_id, "theirs", content)
    ref = BlobRef(blob_id=blob_id, length=length, sha256="", content_type="image/png")

    assert await read(store, ref) == content
    for start, stop in ((1, None), (length // 2, None), (length // 3, length // 2), (length - 1, length)):
        assert await read(store, ref, start, stop) == content[start:stop]


async def test_pymongo_finds_and_deletes_our_files(store: GridFsBlobStore, plain: Database[dict[str, Any]]) -> None:
    ref = await write(store, pieces(b"picture"))
    bucket = GridFSBucket(plain)

    assert [file._id for file in bucket.find({"metadata.image_id": "an-image", "_id": ref.blob_id})] == [ref.blob_id]
    bucket.delete(ref.blob_id)

    with pytest.raises(BlobMissing):
        await read(store, ref)


async def test_what_we_delete_is_gone_for_pymongo(store: GridFsBlobStore, plain: Database[dict[str, Any]]) -> None:
    ref = await write(store, pieces(content_of(3 * CHUNK_BYTES)))

    await store.delete(ref.blob_id)

    with pytest.raises(NoFile):
        GridFSBucket(plain).open_download_stream(ref.blob_id)
    assert plain["fs.chunks"].count_documents({"files_id": ref.blob_id}) == 0


async def test_the_indexes_are_those_of_the_specification(
    store: GridFsBlobStore, plain: Database[dict[str, Any]]
) -> None:
    chunks = {tuple(index["key"]): index.get("unique") for index in plain["fs.chunks"].index_information().values()}
    files = [tuple(index["key"]) for index in plain["fs.files"].index_information().values()]

    assert chunks[(("files_id", 1), ("n", 1))] is True
    assert (("filename", 1), ("uploadDate", 1)) in files


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
async def test_a_file_that_has_lost_a_chunk_is_missing_from_there_on(
    store: GridFsBlobStore, plain: Database[dict[str, Any]], lost: int
) -> None:
    content = content_of(3 * CHUNK_BYTES + 10)
    ref = await write(store, pieces(content))
    plain["fs.chunks"].delete_one({"files_id": ref.blob_id, "n": lost})
    got: list[bytes] = []

    async def read_on() -> None:
        async for piece in store.read(ref):
            got.append(piece)

    with pytest.raises(BlobMissing):
        await read_on()

    assert b"".join(got) == content[: lost * CHUNK_BYTES]


@pytest.mark.parametrize("number", [0, 1])
async def test_a_file_whose_chunk_is_cut_is_missing(
    store: GridFsBlobStore, plain: Database[dict[str, Any]], number: int
) -> None:
    ref = await write(store, pieces(content_of(2 * CHUNK_BYTES)))
    plain["fs.chunks"].update_one({"files_id": ref.blob_id, "n": number}, {"$set": {"data": b"cut"}})

    with pytest.raises(BlobMissing):
        await read(store, ref)


async def test_what_a_broken_connection_has_left_of_a_write_is_no_reason_to_fail(
    store: GridFsBlobStore, plain: Database[dict[str, Any]]
) -> None:
    content, blob_id = content_of(3 * CHUNK_BYTES), str(uuid.uuid4())
    plain["fs.chunks"].insert_one({"files_id": blob_id, "n": 1, "data": content[CHUNK_BYTES : 2 * CHUNK_BYTES]})

    ref = await store.write(
        pieces(content), kind="original", content_type="image/png", image_id="an-image", blob_id=blob_id
    )
    await store.write_record(ref, "original", "an-image")

    assert await read(store, ref) == content


async def test_writes_that_are_cancelled_leave_nothing(store: GridFsBlobStore, plain: Database[dict[str, Any]]) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(CHUNK_BYTES)

    before = plain["fs.files"].count_documents({}), plain["fs.chunks"].count_documents({})

    async def cancelled(milliseconds: int) -> None:
        with anyio.move_on_after(milliseconds / 1000):
            await write(store, endless())

    for _ in range(5):
        async with anyio.create_task_group() as group:
            for milliseconds in range(5, 65, 10):
                group.start_soon(cancelled, milliseconds)

    assert (plain["fs.files"].count_documents({}), plain["fs.chunks"].count_documents({})) == before


@pytest.mark.parametrize("collection", ["fs.files", "fs.chunks"])
async def test_what_a_validator_of_the_operators_refuses_is_an_outage_that_nobody_waits_for(
    store: GridFsBlobStore, plain: Database[dict[str, Any]], collection: str
) -> None:
    plain.command("collMod", collection, validator={"approved_by": {"$exists": True}})
    try:
        with pytest.raises(Outage) as refused:
            await write(store, pieces(b"a picture"))
    finally:
        plain.command("collMod", collection, validator={})

    told = refused.value.told()
    assert told["reason"] == "a validator of the database's refuses what this service stores"
    assert told["error_code"] == (
        "121" if collection == "fs.files" else "65"
    )  # of several at once: MultipleErrorsOccurred
    assert await read(store, await write(store, pieces(b"a picture"))) == b"a picture"


async def test_a_write_that_gets_no_thread_meets_an_outage_at_its_end_too(mongo_url: str, database: str) -> None:
    script = (
        "import asyncio, sys, threading\n"
        "from libs.shared.outages import outage_of\n"
        "from tests.contract.test_gridfs import pieces, store_at, write\n"
        "async def main():\n"
        "    async with store_at(*sys.argv[1:]) as store:\n"
        "        threading.stack_size(1 << 46)\n"
        "        writes = [write(store, pieces(b'content')) for _ in range(50)]\n"
        "        ends = await asyncio.gather(*writes, return_exceptions=True)\n"
        "    failures = [end for end in ends if isinstance(end, BaseException)]\n"
        "    print(bool(failures), {repr(error) for error in failures if outage_of(error) is None})\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", script, mongo_url, database]
    ended = await anyio.run_process(command, cwd=Path(__file__).parents[2])
    assert ended.stdout == b"True set()\n"
