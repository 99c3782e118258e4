"""Whom a restore shares its database with: nobody, to its very end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from libs.catalog import restore as restoring
from libs.catalog.backup import backup
from libs.shared.errors import Refusal
from libs.shared.event_log import Entry
from libs.shared.events import utc_now
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
