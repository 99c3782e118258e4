"""Whoever waits for a database that is away hears of it in good time, however many wait."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from pymongo import MongoClient

from deploy.local import mongod
from deploy.local.node import Node, running
from libs.catalog import albums, uploads
from libs.catalog.images import find_thumbnails
from libs.catalog.uploads import Intent
from libs.shared.errors import Outage
from libs.shared.events import BlobRef, Context
from libs.shared.mongo import Transaction, in_time, patiently
from libs.shared.mongo_errors import DriverError
from services.api.lookup import SharedLookup
from tests.support.shelf import CALLER, Shelf, a_shelf
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]
CLIENT_SECONDS = 20.0
SHORT_SECONDS = 0.5
MANY = 60
"""More than the driver has threads, several times over."""

Operation = Callable[[], Awaitable[object]]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    directory: Path = tmp_path_factory.mktemp("away")
    with running(mongod.prepare(directory)) as (node,):
        yield node


@pytest.fixture
async def shelf(database: Node) -> AsyncIterator[Shelf]:
    async with a_shelf(database.url, "album") as shelf:
        yield shelf


@dataclass(frozen=True)
class Told:
    """After how many seconds they hear of an outage: many who read and write, and one in the middle of a transfer."""

    many: list[float] = field(default_factory=list)
    transferring: list[float] = field(default_factory=list)


@pytest.fixture(scope="module", params=["stopped", "frozen"])
def told(database: Node, request: pytest.FixtureRequest) -> Told:
    """One outage for all who wait, since it takes as long as they are patient."""
    go_away = database.pause if request.param == "frozen" else database.stop
    return anyio.run(wait_in_an_outage, database, go_away)


async def wait_in_an_outage(database: Node, go_away: Callable[[], None]) -> Told:
    told, is_under_way, is_away = Told(), anyio.Event(), anyio.Event()

    async def content() -> AsyncIterator[bytes]:
        yield bytes(1_000_000)
        is_under_way.set()
        await is_away.wait()
        yield bytes(1_000_000)

    async def wait(operation: Operation, after: list[float]) -> None:
        with pytest.raises((Outage, DriverError)):
            await operation()
        after.append(time.monotonic() - gone_at)

    async with a_shelf(database.url, "album") as shelf:
        image_id = str(uuid.uuid4())
        transfer = partial(shelf.blobs.write, content(), kind="original", content_type="image/png", image_id=image_id)
        many = await operations(shelf)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(wait, transfer, told.transferring)
                await is_under_way.wait()
                go_away()
                gone_at = time.monotonic()
                is_away.set()
                for operation in many:
                    group.start_soon(wait, operation, told.many)
        finally:
            database.resume()
            database.restart()
    return told


async def operations(shelf: Shelf) -> list[Operation]:
    """Much that is read and written at once."""
    album = await albums.create_album(shelf.catalog, CALLER, "Summer", None, Context())
    ref = BlobRef(blob_id="x", length=1, sha256="0" * 64, content_type="image/png")
    thumbnails = SharedLookup(partial(find_thumbnails, shelf.catalog, with_content=True))

    def intent() -> Intent:
        return Intent(str(uuid.uuid4()), str(uuid.uuid4()), CALLER)

    async def accept() -> None:
        await uploads.accept(shelf.catalog, intent(), album.id, "picture", ref, None, Context())

    return [
        *[partial(albums.find_album, shelf.catalog, CALLER, album.id)] * MANY,
        *[partial(albums.create_album, shelf.catalog, CALLER, "Winter", None, Context())] * MANY,
        *[partial(uploads.claim_key, shelf.catalog, "key", intent())] * MANY,
        *[partial(uploads.begin, shelf.catalog, intent())] * MANY,
        *[accept] * MANY,
        *[partial(thumbnails.get, str(uuid.uuid4())) for _ in range(4 * MANY)],
    ]


def test_many_who_read_and_write_hear_in_time(told: Told) -> None:
    assert len(told.many) == 9 * MANY
    assert max(told.many) < CLIENT_SECONDS


def test_a_transfer_that_is_cut_short_is_ended_in_time(told: Told) -> None:
    assert max(told.transferring) < CLIENT_SECONDS


def let_time_pass() -> None:
    over = time.monotonic() + SHORT_SECONDS
    eventually(lambda: time.monotonic() > over)


async def test_a_transaction_whose_time_is_over_leaves_its_documents_to_others(shelf: Shelf, database: Node) -> None:
    album = await albums.create_album(shelf.catalog, CALLER, "Summer", None, Context())

    def rename_twice(transaction: Transaction) -> None:
        transaction.update(shelf.catalog.albums, {"_id": album.id}, {"$set": {"name": "Autumn"}})
        let_time_pass()
        transaction.update(shelf.catalog.albums, {"_id": album.id}, {"$set": {"name": "Winter"}})

    with pytest.raises(Outage), in_time(SHORT_SECONDS):
        await shelf.catalog.transact(rename_twice)
    with MongoClient[dict[str, Any]](database.url, timeoutMS=10_000) as other:
        other["album"]["albums"].update_one({"_id": album.id, "name": "Summer"}, {"$set": {"name": "Spring"}})

    assert (await albums.find_album(shelf.catalog, CALLER, album.id)).name == "Spring"


async def test_a_transaction_whose_time_is_over_when_all_is_done_is_committed(shelf: Shelf) -> None:
    album = await albums.create_album(shelf.catalog, CALLER, "Summer", None, Context())

    def rename(transaction: Transaction) -> None:
        transaction.update(shelf.catalog.albums, {"_id": album.id}, {"$set": {"name": "Autumn"}})
        let_time_pass()

    with in_time(SHORT_SECONDS):
        await shelf.catalog.transact(rename)

    assert (await albums.find_album(shelf.catalog, CALLER, album.id)).name == "Autumn"


async def test_an_answer_in_many_pieces_comes_whole(shelf: Shelf) -> None:
    await shelf.catalog.albums.insert_many({"_id": str(number)} for number in range(1_000))

    found = await patiently(lambda: shelf.catalog.albums.find({}, batch_size=100).to_list(None))

    assert len(found) >= 1_000
