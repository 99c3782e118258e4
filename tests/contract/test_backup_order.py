"""What a backup reads first and what later, seen by what happens in between."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from libs.audit.log import AuditLog
from libs.catalog.archive import Archive
from libs.catalog.backup import backup
from libs.catalog.deletions import delete_image
from libs.shared.events import EVENTS, BlobRef, Context, Envelope
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.outages import outage_of
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
    await subscription.catch_up(Worker("audit", public, subscription.take, outage_of=outage_of).handle_message)


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
