"""What a backup reads first and what later, seen by what happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from libs.audit.log import AuditLog
from libs.catalog.archive import Archive
from libs.catalog.backup import backup
from libs.catalog.catalog import Catalog
from libs.catalog.deletions import delete_album, delete_image, sweep_album
from libs.catalog.keys import LOCAL_OWNER, SCOPES, create_key, has_keys
from libs.catalog.repairs import albums_to_sweep
from libs.catalog.restore import restore
from libs.catalog.settings import CatalogSettings
from libs.shared.events import EVENTS, BlobRef, Context, Envelope
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.mongo import Document
from libs.shared.subscription import Subscription
from libs.shared.worker import Worker
from services.audit.handler import record
from tests.support.shelf import CALLER, Shelf, a_shelf

pytestmark = pytest.mark.anyio


async def audit_everything(shelf: Shelf) -> None:
    """Let the audit have all that has happened."""
    database = shelf.catalog.database
    log = AuditLog(database)

    async def handle(events: Sequence[Envelope]) -> None:
        await record(events, log)

    subscription = Subscription("audit", database, handle, timedelta(days=30))
    await subscription.begin()
    public = [event for event in EVENTS if event.is_public]
    await subscription.catch_up(Worker("audit", public, subscription.take).handle_message)


class EventfulStore(GridFsBlobStore):
    """A store during whose first reading all images are deleted, and the audit hears of it."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf.catalog.database)
        self._shelf = shelf
        self._is_quiet = True

    async def read(self, ref: BlobRef, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        if self._is_quiet:
            self._is_quiet = False
            catalog = self._shelf.catalog
            for image in await catalog.images.find({"state": "ready"}).to_list(None):
                await delete_image(catalog, CALLER, image["album_id"], image["_id"], Context(owner="local"))
            await audit_everything(self._shelf)
        async for piece in super().read(ref, start, stop):
            yield piece


async def test_no_subscriber_is_ahead_of_what_an_image_had_come_to(
    mongo_url: str, database: str, tmp_path: Path
) -> None:
    async with a_shelf(mongo_url, database) as shelf:
        for _ in range(3):
            await shelf.ready()
        await audit_everything(shelf)

        await backup(shelf.catalog, EventfulStore(shelf), tmp_path, print)

        [last] = await AuditLog(shelf.catalog.database).tail(1)
        assert last["type"] == "io.album.image.deleted.v1"
    archive = Archive(tmp_path)
    come_to = {image["_id"]: image["sequence"] for image in archive.documents("images")}
    recorded = [(entry["subject"], entry["sequence"]) for entry in archive.documents("audit")]
    had = {position["_id"]: position.get("sequence") for position in archive.documents("positions")}
    assert sorted(sequence for subject, sequence in recorded if subject in come_to) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert {image_id: had[f"audit:{image_id}"] for image_id in come_to} == come_to == dict.fromkeys(come_to, 3)


class SweepingStore(GridFsBlobStore):
    """A store whose album is deleted, and swept to its end, as soon as so many blobs have been read from it."""

    def __init__(self, shelf: Shelf, blobs: int) -> None:
        super().__init__(shelf.catalog.database)
        self._shelf = shelf
        self._left = blobs

    async def read(self, ref: BlobRef, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        async for piece in super().read(ref, start, stop):
            yield piece
        self._left -= 1
        if self._left == 0:
            await delete_album(self._shelf.catalog, CALLER, self._shelf.album_id, Context(owner="local"))
            await sweep_album(self._shelf.catalog, self._shelf.blobs, self._shelf.album_id, Context(owner="local"))


async def test_images_of_an_album_that_was_deleted_while_a_backup_was_made_go_after_its_restore(
    mongo_url: str, database: str, tmp_path: Path
) -> None:
    async with a_shelf(mongo_url, database) as shelf:
        image = await shelf.ready()
        await shelf.published()
        await backup(shelf.catalog, SweepingStore(shelf, blobs=3), tmp_path, print)
        await restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)
        assert (await shelf.image(image.id)).state == "ready"

        for album_id in await albums_to_sweep(shelf.catalog):
            await sweep_album(shelf.catalog, shelf.blobs, album_id, Context(owner="local"))

        assert (await shelf.image(image.id)).state == "deleted"
        assert await shelf.requests(image.id) == ["io.album.image.deleted.v1"]
        assert await shelf.catalog.files.count_documents({}) == 0


class BetweenTwoReadings(CommandListener):
    """Does something once between the reading of one collection and that of another, whichever comes first."""

    def __init__(self, names: set[str], work: Callable[[], object]) -> None:
        self._left = names
        self._work = work

    def started(self, event: CommandStartedEvent) -> None:
        if event.command.get("find") in self._left:
            self._left = self._left - {event.command["find"]}
            if not self._left:
                self._work()

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


async def test_whose_the_first_key_is_stays_known_where_a_backup_has_it(
    mongo_url: str, database: str, tmp_path: Path
) -> None:
    async with a_shelf(mongo_url, database) as shelf:
        loop = asyncio.get_running_loop()

        def make_first_key() -> None:
            asyncio.run_coroutine_threadsafe(create_key(shelf.catalog, "anna", SCOPES), loop).result(20)

        listener = BetweenTwoReadings({"keys", "owners"}, make_first_key)
        client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(mongo_url, tz_aware=True, event_listeners=[listener])
        await backup(Catalog(client, CatalogSettings(database=database)), shelf.blobs, tmp_path, print)
        client.close()
        assert await has_keys(shelf.catalog)

        await restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)
        other, _ = await create_key(shelf.catalog, "bob", SCOPES)

        assert other.owner != LOCAL_OWNER
