"""Whom a restore shares its database and its backup with, and records that are not what they should be."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.catalog import restore as restoring
from libs.catalog.archive import Archive
from libs.catalog.backup import backup
from libs.shared import subscription
from libs.shared.errors import Refusal
from libs.shared.event_log import Entry
from libs.shared.events import BlobRef, utc_now
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.mongo import Document
from tests.support.listener import Listener
from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio


async def test_a_restore_that_is_no_longer_alone_queues_no_further_images(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        await shelf.queued()
    await backup(shelf.catalog, shelf.blobs, tmp_path, print)
    # As with many images, over which the lease runs out.
    monkeypatch.setattr(restoring, "LEASE", timedelta(0))
    monkeypatch.setattr(restoring, "BATCH", 1)
    queued: list[str] = []

    def take_over(entry: Entry) -> None:
        queued.append(entry.envelope.subject)
        taken = {"$set": {"holder": "another", "until": utc_now() + timedelta(minutes=1)}}
        shelf.catalog.leases.delegate.update_one({"_id": "reconciler"}, taken)

    shelf.catalog.on_recorded = take_over

    with pytest.raises(Refusal, match="database-in-use"):
        await restoring.restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)

    assert len(queued) == 1


async def test_a_backup_does_not_replace_the_one_that_is_being_restored(shelf: Shelf, tmp_path: Path) -> None:
    await shelf.queued()
    await backup(shelf.catalog, shelf.blobs, tmp_path, print)
    refused: list[str] = []

    class Beside(GridFsBlobStore):
        """Blobs beside whose restore somebody else would write the backup."""

        async def write(self, *args: Any, **named: Any) -> BlobRef:
            with pytest.raises(Refusal, match="a restore reads it") as refusal, Archive(tmp_path).claimed():
                pass
            refused.append(refusal.value.code)
            return await super().write(*args, **named)

    await restoring.restore(shelf.catalog, Beside(shelf.catalog.database), tmp_path, print, is_to_drop=True)

    assert refused == ["backup-in-use"]
    await backup(shelf.catalog, shelf.blobs, tmp_path, print)


async def test_a_backup_that_is_being_replaced_is_not_restored(shelf: Shelf, tmp_path: Path) -> None:
    await shelf.queued()
    await backup(shelf.catalog, shelf.blobs, tmp_path, print)

    with Archive(tmp_path).claimed(), pytest.raises(Refusal, match="restore when it has ended"):
        await restoring.restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)


async def test_a_backup_is_restored_from_where_nothing_can_be_locked(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shelf.queued()
    await backup(shelf.catalog, shelf.blobs, tmp_path, print)

    def refuse(file: object, kind: int) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)

    assert (await restoring.restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)).images == 1


async def test_an_image_whose_record_cannot_be_read_is_told_of_and_does_not_keep_others_from_the_backup(
    shelf: Shelf, tmp_path: Path
) -> None:
    sound, broken = await shelf.queued(), await shelf.queued()
    await shelf.catalog.images.update_one({"_id": broken.id}, {"$unset": {"name": ""}})
    told: list[str] = []

    copied = await backup(shelf.catalog, shelf.blobs, tmp_path, told.append)

    assert (copied.images, copied.blobs, copied.damaged) == (1, 1, 1)
    assert len(told) == 1
    assert broken.id in told[0]
    restored = await restoring.restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)
    assert (restored.images, restored.damaged) == (1, 0)
    assert await shelf.catalog.images.find_one({"_id": sound.id}) is not None


async def test_a_backup_of_a_database_that_is_restored_meanwhile_leaves_the_earlier_one_as_it_was(
    shelf: Shelf, tmp_path: Path
) -> None:
    old, nightly = tmp_path / "old", tmp_path / "nightly"
    await shelf.ready()
    await backup(shelf.catalog, shelf.blobs, old, print)
    for _ in range(3):
        await shelf.ready()
    await backup(shelf.catalog, shelf.blobs, nightly, print)
    await shelf.ready()

    class Meanwhile(GridFsBlobStore):
        """Blobs while the first one of which is read somebody restores the old backup."""

        is_restored = False

        async def read(self, ref: BlobRef, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
            async for piece in super().read(ref, start, stop):
                yield piece
            if not self.is_restored:
                self.is_restored = True
                await restoring.restore(shelf.catalog, shelf.blobs, old, print, is_to_drop=True)

    with pytest.raises(Refusal, match="of two databases"):
        await backup(shelf.catalog, Meanwhile(shelf.catalog.database), nightly, print)

    restored = await restoring.restore(shelf.catalog, shelf.blobs, nightly, print, is_to_drop=True)
    assert (restored.images, restored.blobs, restored.damaged) == (4, 12, 0)


async def test_who_looks_through_the_log_during_a_restore_misses_nothing_of_it(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [(await shelf.ready()).id for _ in range(6)]
    await backup(shelf.catalog, shelf.blobs, tmp_path, print)
    # As with many events, which happened long ago.
    monkeypatch.setattr(restoring._Restore._batches, "__defaults__", (3,))
    monkeypatch.setattr(subscription, "SETTLED", timedelta(0))
    monkeypatch.setattr(subscription, "OVERLAP", timedelta(0))
    listener = Listener(shelf)
    insert = restoring._Alone.insert

    async def insert_and_look(alone: restoring._Alone, collection: Any, documents: list[Document]) -> None:
        await insert(alone, collection, documents)
        await listener.catch_up()

    monkeypatch.setattr(restoring._Alone, "insert", insert_and_look)
    await restoring.restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)
    await listener.catch_up()

    assert {image: listener.sequences(image) for image in images} == {image: [1, 2, 3] for image in images}
    indexes = await shelf.catalog.events.index_information()
    assert "at_1_sequence_1__id_1" in indexes


async def test_a_backup_holds_what_was_accepted_by_a_clock_that_is_ahead(shelf: Shelf, tmp_path: Path) -> None:
    image = await shelf.queued()
    ahead = {"$set": {"create_date": utc_now() + timedelta(minutes=5)}}
    await shelf.catalog.images.update_one({"_id": image.id}, ahead)

    assert (await backup(shelf.catalog, shelf.blobs, tmp_path, print)).images == 1
