"""Whoever reads in batches is sent what is in them, and not all that would follow each; each comes in one answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from libs.catalog import albums, images, orphans, outbox, repairs
from libs.shared import event_log
from libs.shared.events import utc_now
from tests.support.shelf import CALLER, Shelf

pytestmark = pytest.mark.anyio
MANY = 2000
LONG_AGO = utc_now() - timedelta(days=1)


@asynccontextmanager
async def sent(shelf: Shelf) -> AsyncIterator[list[int]]:
    """At its end, how many documents each query that was made meanwhile has been answered with."""
    counts: list[int] = []
    database = shelf.catalog.database
    await database.command("profile", 2)
    yield counts
    await database.command("profile", 0)
    answers = await database["system.profile"].find({"op": {"$in": ["query", "getmore"]}}).to_list(None)
    await database["system.profile"].drop()
    counts += [answer.get("nreturned", 0) for answer in answers]


async def test_the_event_log(shelf: Shelf) -> None:
    told: dict[str, Any] = {
        "type": "io.album.album.created.v1",
        "source": "/album/api",
        "dataschema": "",
        "data": {"album_id": "a"},
    }
    told |= {"time": LONG_AGO.isoformat(), "sequence": 1}
    kept = {"owner": CALLER.owner, "is_public": True, "is_work": False, "pending": ["public"], "sequence": 1}
    await shelf.catalog.events.delete_many({})
    await shelf.catalog.events.insert_many(
        {
            "_id": f"{number:04}",
            "subject": f"{number:04}",
            "at": LONG_AGO + timedelta(milliseconds=number),
            "envelope": {"id": f"{number:04}", "subject": f"{number:04}", **told},
            **kept,
        }
        for number in range(MANY)
    )

    async with sent(shelf) as replayed:
        events = [item async for item in event_log.since(shelf.catalog.events, LONG_AGO, CALLER.owner, None)]
    async with sent(shelf) as looked_through:
        pages = [page async for page in event_log.pages(shelf.catalog.events, LONG_AGO)]
    async with sent(shelf) as published:
        overdue = await outbox.overdue(shelf.catalog, "public", timedelta(hours=1))

    assert len(events) == sum(len(page.highest) for page in pages) == MANY
    assert sum(replayed) == sum(looked_through) == MANY
    assert max(replayed) == max(looked_through) == event_log.BATCH
    assert len(overdue) == event_log.BATCH
    assert sum(published) == 2 * event_log.BATCH


async def test_files_and_images(shelf: Shelf) -> None:
    still = (await shelf.queued()).model_dump(by_alias=True) | {"check_at": LONG_AGO}
    await shelf.catalog.files.delete_many({})  # or its own, which is no orphan, may be among the first
    files = [{"_id": f"{n:04}", "length": 1, "uploadDate": LONG_AGO} for n in range(MANY)]
    await shelf.catalog.files.insert_many(files)
    await shelf.catalog.images.insert_many(still | {"_id": f"{n:04}"} for n in range(MANY))

    async with sent(shelf) as searched:
        batch = await orphans.orphan_files(shelf.catalog, "", utc_now())
    async with sent(shelf) as looked_at:
        found = await repairs.standing_still(shelf.catalog, ["queued"])

    assert sum(searched) == len(batch.orphans) == orphans.FILES_BATCH
    assert sum(looked_at) == len(found) == repairs.BATCH


@pytest.mark.parametrize("limit", [100, 250])
async def test_pages_of_listings_come_in_one_answer(shelf: Shelf, limit: int) -> None:
    image = (await shelf.queued()).model_dump(by_alias=True)
    await shelf.catalog.images.insert_many(image | {"_id": f"{n:04}", "order": n} for n in range(1, 2 * limit))
    album: Any = await shelf.catalog.albums.find_one({"_id": shelf.album_id})
    await shelf.catalog.albums.insert_many(album | {"_id": f"{n:04}"} for n in range(2 * limit))

    async with sent(shelf) as of_albums:
        listed = await albums.list_albums(shelf.catalog, CALLER, limit, None)
    async with sent(shelf) as more_of_images:  # an aggregation's first answer is no query
        shown = await images.list_images(shelf.catalog, CALLER, shelf.album_id, limit, None, "newest")

    assert len(listed.items) == len(shown.items) == limit
    assert of_albums == [limit + 1]
    assert more_of_images == []
