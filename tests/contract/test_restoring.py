"""Whom a restore shares its database and its backup with, and records that are not what they should be."""

from __future__ import annotations

import errno
import fcntl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.catalog import restore as restoring
from libs.catalog.archive import Archive
from libs.catalog.backup import backup
from libs.shared.errors import Refusal
from libs.shared.event_log import Entry
from libs.shared.events import BlobRef, utc_now
from libs.shared.gridfs import GridFsBlobStore
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
