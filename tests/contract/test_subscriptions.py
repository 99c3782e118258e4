"""A subscriber gets every event, whatever the queue brings: on the real event log, written by the catalog itself."""

from __future__ import annotations

import random
from datetime import timedelta

import anyio
import pytest
from structlog.testing import capture_logs

from libs.shared import event_log
from libs.shared.errors import ContractBreach, Outage
from libs.shared.events import Context, Envelope, ImageUploaded, utc_now, work_envelope
from libs.shared.subscription import LATE_AFTER, Lag, lags
from tests.support.listener import Listener
from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio


async def told(shelf: Shelf, subject: str) -> list[Envelope]:
    """A subject's events in order, from the log."""
    found = await event_log.of_subjects(shelf.catalog.events, {subject: range(1, 1000)})
    return sorted(found, key=lambda event: event.sequence or 0)


async def test_each_event_is_given_once_however_often_the_queue_brings_it(shelf: Shelf) -> None:
    image = await shelf.ready()
    events = await told(shelf, image.id)
    listener = Listener(shelf)

    await listener.is_brought(*events, *events)

    assert listener.heard == events
    assert [event.sequence for event in events] == [1, 2, 3]


async def test_what_a_subscriber_has_not_had_is_known_whoever_brought_the_rest(shelf: Shelf) -> None:
    listener = Listener(shelf)
    await listener.subscription.begin()
    images = [await shelf.ready() for _ in range(2)]
    public = await shelf.catalog.events.count_documents({"is_public": True})
    assert [lag.events for lag in await lags(shelf.catalog.database)] == [public]

    await listener.is_brought(*await told(shelf, images[0].id))

    [lag] = await lags(shelf.catalog.database)
    assert (lag.subscriber, lag.events, lag.is_late) == ("listener", public - 3, False)
    assert 0 < lag.oldest_seconds < 60
    await listener.catch_up()
    assert await lags(shelf.catalog.database) == [Lag("listener", 0, 0.0, is_late=False)]


async def test_a_subscriber_that_cannot_bear_an_event_becomes_late_whatever_comes_after_it(shelf: Shelf) -> None:
    listener = Listener(shelf)
    await listener.subscription.begin()
    image, other = await shelf.ready(), await shelf.ready()
    unbearable = (await told(shelf, image.id))[1]
    listener.unbearable = {unbearable.id}
    happened = utc_now() - 2 * LATE_AFTER
    await shelf.catalog.events.update_many({"subject": image.id}, {"$set": {"at": happened}})

    with capture_logs():
        await listener.catch_up()

    assert listener.sequences(other.id) == [1, 2, 3]
    [lag] = await lags(shelf.catalog.database)
    assert (lag.events, lag.is_late) == (3, True)
    assert lag.oldest_seconds > LATE_AFTER.total_seconds()


async def test_a_gap_is_filled_from_the_log(shelf: Shelf) -> None:
    image = await shelf.ready()
    first, _, last = await told(shelf, image.id)
    listener = Listener(shelf)

    await listener.is_brought(first, last)

    assert listener.sequences(image.id) == [1, 2, 3]


async def test_events_that_come_in_disorder_are_given_in_order(shelf: Shelf) -> None:
    image = await shelf.ready()
    events = await told(shelf, image.id)
    listener = Listener(shelf)

    await listener.is_brought(*reversed(events))

    assert listener.sequences(image.id) == [1, 2, 3]


async def test_events_that_come_at_once_are_given_together_and_in_order(shelf: Shelf) -> None:
    images = [await shelf.ready() for _ in range(5)]
    events = [event for image in images for event in await told(shelf, image.id)]
    random.shuffle(events)
    listener = Listener(shelf)

    async with anyio.create_task_group() as group:
        for event in events:
            group.start_soon(listener.is_brought, event)

    assert len(listener.heard) == len(events)
    assert all(listener.sequences(image.id) == [1, 2, 3] for image in images)


async def test_a_last_event_that_no_queue_brought_comes_from_the_log(shelf: Shelf) -> None:
    image = await shelf.ready()
    first, *_ = await told(shelf, image.id)
    listener = Listener(shelf)
    await listener.is_brought(first)

    await listener.catch_up()

    assert listener.sequences(image.id) == [1, 2, 3]
    assert listener.sequences(shelf.album_id) == [1]


async def test_a_look_goes_on_where_the_last_one_ended(shelf: Shelf) -> None:
    listener = Listener(shelf)
    await shelf.ready()
    await listener.catch_up()
    await shelf.catalog.events.update_many({}, {"$set": {"at": utc_now() - timedelta(hours=1)}})
    heard = len(listener.heard)
    await shelf.catalog.database["positions"].delete_many({"_id": {"$ne": listener.name}})
    new = await shelf.ready()

    listener.begin()
    await listener.catch_up()

    assert {event.subject for event in listener.heard[heard:]} == {new.id}


async def test_an_event_of_a_clock_that_is_ahead_hides_none_that_come_after_it(shelf: Shelf) -> None:
    listener = Listener(shelf)
    ahead = await shelf.ready()
    future = {"$set": {"at": utc_now() + timedelta(minutes=10)}}
    await shelf.catalog.events.update_many({"subject": ahead.id}, future)
    await listener.catch_up()

    later = await shelf.ready()
    await listener.catch_up()

    assert listener.sequences(later.id) == [1, 2, 3]


async def test_whoever_begins_anew_is_given_nothing_twice(shelf: Shelf) -> None:
    image = await shelf.ready()
    listener = Listener(shelf)
    await listener.catch_up()
    heard = list(listener.heard)

    listener.begin()
    await listener.catch_up()
    await listener.is_brought(*await told(shelf, image.id))

    assert listener.heard == heard


async def test_two_subscribers_know_nothing_of_each_other(shelf: Shelf) -> None:
    await shelf.ready()
    one, other = Listener(shelf, "one"), Listener(shelf, "other")

    await one.catch_up()
    await other.catch_up()

    assert one.heard == other.heard
    assert len(one.heard) == 4


async def test_an_event_that_meets_a_bug_holds_up_its_own_subject_alone(shelf: Shelf) -> None:
    # Two of each: whatever comes first is given alone, and the rest together.
    images = [await shelf.ready() for _ in range(4)]
    bad, good = images[::2], images[1::2]
    listener = Listener(shelf, unbearable={(await told(shelf, image.id))[1].id for image in bad})

    with capture_logs() as said:
        await listener.catch_up()

    assert any(line["event"] == "a bug met a message" for line in said)
    assert [listener.sequences(image.id) for image in bad] == [[], []]
    assert [listener.sequences(image.id) for image in good] == [[1, 2, 3]] * 2

    listener.unbearable.clear()  # a better release
    listener.begin()
    await listener.catch_up()

    assert [listener.sequences(image.id) for image in images] == [[1, 2, 3]] * 4


async def test_what_the_log_has_forgotten_holds_up_nobody(shelf: Shelf) -> None:
    image = await shelf.ready()
    events = await told(shelf, image.id)
    await shelf.catalog.events.delete_many({"_id": {"$in": [event.id for event in events[:2]]}})
    listener = Listener(shelf)

    await listener.is_brought(events[2])

    assert listener.sequences(image.id) == [3]


async def test_an_event_that_the_log_does_not_show_yet_is_waited_for(shelf: Shelf) -> None:
    image = await shelf.ready()
    events = await told(shelf, image.id)
    entries = await shelf.catalog.events.find({"subject": image.id}).to_list(None)
    await shelf.catalog.events.delete_many({"subject": image.id})
    listener = Listener(shelf)

    with pytest.raises(Outage):
        await listener.is_brought(events[2])
    await shelf.catalog.events.insert_many(entries)
    await listener.is_brought(events[2])

    assert listener.sequences(image.id) == [1, 2, 3]


async def test_an_event_of_a_day_to_come_that_the_log_does_not_show_holds_up_nobody(shelf: Shelf) -> None:
    [real, _, other] = await told(shelf, (await shelf.ready()).id)
    forged = other.model_copy(update={"subject": "nobody's", "time": utc_now() + timedelta(days=365)})
    listener = Listener(shelf)

    await listener.is_brought(forged, real)

    assert listener.sequences(real.subject) == [1]


async def test_an_event_without_a_number_is_no_public_event(shelf: Shelf) -> None:
    image = await shelf.queued()
    assert image.original is not None
    event = ImageUploaded(album_id=image.album_id, image_id=image.id, generation=1, original=image.original)
    listener = Listener(shelf)

    with pytest.raises(ContractBreach):
        await listener.is_brought(work_envelope(event, "api", Context()))


async def test_positions_outlive_the_log(shelf: Shelf) -> None:
    image = await shelf.ready()
    listener = Listener(shelf)
    await listener.catch_up()

    entry = await shelf.catalog.events.find_one({"subject": image.id, "sequence": 3}) or {}
    position = await shelf.catalog.database["positions"].find_one({"_id": f"listener:{image.id}"}) or {}

    assert position["sequence"] == 3
    assert position["expire_at"] > entry["expire_at"]


async def test_a_look_by_a_clock_that_was_put_back_hides_nothing(shelf: Shelf) -> None:
    listener = Listener(shelf)
    await listener.subscription.begin()
    ahead = {"$set": {"until": utc_now() + timedelta(hours=1)}}
    await shelf.catalog.database["positions"].update_one({"_id": listener.name}, ahead)
    image = await shelf.ready()

    await listener.catch_up()

    assert listener.sequences(image.id) == [1, 2, 3]
