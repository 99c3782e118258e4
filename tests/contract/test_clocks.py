"""Clocks that are put back: what they dated ahead does not wait until its time has come."""

from __future__ import annotations

from datetime import timedelta

import pytest

from libs.catalog import outbox, progress, repairs
from libs.shared.events import Context, utc_now
from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio
AHEAD = timedelta(hours=6)


async def test_what_was_recorded_ahead_and_not_published_is_overdue(shelf: Shelf) -> None:
    image = await shelf.queued()
    await shelf.catalog.events.update_many({"subject": image.id}, {"$set": {"at": utc_now() + AHEAD}})

    found = await outbox.overdue(shelf.catalog, "work", timedelta(seconds=1))

    assert [entry.envelope.subject for entry in found] == [image.id]


async def test_what_was_just_recorded_by_a_replica_a_little_ahead_is_left_to_it(shelf: Shelf) -> None:
    image = await shelf.queued()
    a_little = utc_now() + timedelta(seconds=10)
    await shelf.catalog.events.update_many({"subject": image.id}, {"$set": {"at": a_little}})

    assert image.id not in {
        entry.envelope.subject for entry in await outbox.overdue(shelf.catalog, "work", timedelta(seconds=1))
    }


async def test_an_image_that_was_to_be_looked_at_hours_ahead_is_looked_at(shelf: Shelf) -> None:
    image, _ = await shelf.queued(), await shelf.queued()
    await shelf.catalog.images.update_one({"_id": image.id}, {"$set": {"check_at": utc_now() + AHEAD}})

    assert [still.image.id for still in await repairs.standing_still(shelf.catalog, ["queued"])] == [image.id]


async def test_the_times_of_an_images_events_never_go_back(shelf: Shelf) -> None:
    image, ahead = await shelf.queued(), utc_now().replace(microsecond=0) + AHEAD
    await shelf.catalog.images.update_one({"_id": image.id}, {"$set": {"event_at": ahead}})

    await progress.accept_encoded(shelf.catalog, await shelf.encoded_event(image), Context())

    event = await shelf.catalog.events.find_one({"subject": image.id, "sequence": 2})
    assert event is not None
    assert event["at"] == ahead
