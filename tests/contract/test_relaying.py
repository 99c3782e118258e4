"""The relay on a real log and a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
import anyio.to_thread
import pytest
from pydantic import SecretStr

from libs.catalog import outbox
from libs.catalog.progress import accept_encoded
from libs.catalog.records import Image
from libs.shared.errors import Outage
from libs.shared.event_log import BATCH
from libs.shared.events import Context, Envelope, ImageUploaded, utc_now
from libs.shared.mongo import Document
from libs.shared.rabbitmq import NotTaken, Publisher
from libs.shared.topology import Queue, stage_queue
from services.api.relay import PUBLIC_TRIES, Relay
from tests.support.shelf import Shelf
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio
QUEUE = stage_queue("album.decoder.v1", [ImageUploaded])
UNKNOWN = "io.album.image.uploaded.v2"


@pytest.fixture
async def publisher(fresh_vhost: Callable[[], str]) -> AsyncIterator[Publisher]:
    publisher = Publisher(SecretStr(fresh_vhost()), queues=[QUEUE])
    yield publisher
    await publisher.close()


async def newer(shelf: Shelf, image: Image, count: int) -> list[str]:
    """Work that another release has left in the log long ago; its subjects."""
    event = await shelf.catalog.events.find_one({"subject": image.id})
    assert event is not None
    subjects = [f"newer-{number}" for number in range(count)]
    at = utc_now() - timedelta(minutes=1)
    await shelf.catalog.events.insert_many(
        {
            **event,
            "_id": subject,
            "subject": subject,
            "at": at,
            "envelope": {**event["envelope"], "id": subject, "subject": subject, "type": UNKNOWN},
        }
        for subject in subjects
    )
    return subjects


async def test_work_of_a_release_that_is_not_known_here_is_left_to_it(shelf: Shelf, publisher: Publisher) -> None:
    image = await shelf.queued()
    [left] = await newer(shelf, image, 1)

    def pending() -> dict[str, list[str]]:
        return {each["subject"]: each["pending"] for each in shelf.catalog.events.delegate.find()}

    def is_published() -> bool:
        return pending() == {shelf.album_id: [], image.id: [], left: ["work"]}

    async with anyio.create_task_group() as group:
        group.start_soon(Relay(shelf.catalog, publisher, publisher, lambda: None).run)
        await anyio.to_thread.run_sync(eventually, is_published)
        group.cancel_scope.cancel()

    assert (await publisher.queue_state(QUEUE.name)).messages == 1


async def test_work_that_is_left_to_another_release_does_not_stand_before_younger_work(shelf: Shelf) -> None:
    image = await shelf.queued()
    await newer(shelf, image, BATCH)
    await shelf.catalog.events.update_one({"subject": image.id}, {"$set": {"at": utc_now() - timedelta(seconds=30)}})

    found = await outbox.overdue(shelf.catalog, "work", timedelta(seconds=1))

    assert [entry.envelope.subject for entry in found] == [image.id]


class Noting(Publisher):
    """One that notes what was published where, and meets each of these errors once, one at each publish."""

    def __init__(self, url: str, queues: Sequence[Queue], *errors: Exception) -> None:
        super().__init__(SecretStr(url), queues=queues)
        self._errors = list(errors)
        self.tries: list[str] = []
        self.published: list[tuple[str, int | None]] = []

    async def publish(self, exchange: str, envelope: Envelope, *, mandatory: bool) -> None:
        self.tries.append(envelope.id)
        if self._errors:
            raise self._errors.pop(0)
        await super().publish(exchange, envelope, mandatory=mandatory)
        self.published.append((envelope.subject, envelope.sequence))


@asynccontextmanager
async def relaying(shelf: Shelf, work: Publisher, public: Publisher) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(Relay(shelf.catalog, work, public, lambda: None).run)
        yield
        group.cancel_scope.cancel()
    await work.close()
    await public.close()


async def until(shelf: Shelf, wanted: Document) -> None:
    """Wait until the log has such an event."""

    def is_there() -> bool:
        return shelf.catalog.events.delegate.find_one(wanted) is not None

    await anyio.to_thread.run_sync(eventually, is_there)


async def test_what_follows_an_event_that_could_not_be_published_waits_with_it(
    shelf: Shelf, fresh_vhost: Callable[[], str]
) -> None:
    url = fresh_vhost()
    image = await shelf.encoded()
    await shelf.catalog.events.update_many({"subject": shelf.album_id}, {"$set": {"pending": []}})
    public = Noting(url, [], Outage("the connection broke"))

    async with relaying(shelf, Publisher(SecretStr(url), queues=[QUEUE]), public):
        await until(shelf, {"subject": image.id, "sequence": 2, "pending": []})

    assert public.published == [(image.id, 1), (image.id, 2)]


async def test_what_another_replica_has_not_published_yet_goes_before_what_follows_it(
    shelf: Shelf, fresh_vhost: Callable[[], str]
) -> None:
    url = fresh_vhost()
    image = await shelf.queued()
    public = Noting(url, [])

    async with relaying(shelf, Publisher(SecretStr(url), queues=[QUEUE]), public):
        await accept_encoded(shelf.catalog, await shelf.encoded_event(image), Context())
        await until(shelf, {"subject": image.id, "sequence": 2, "pending": []})

    assert [event for event in public.published if event[0] == image.id] == [(image.id, 1), (image.id, 2)]


async def test_what_another_replica_has_left_is_published_though_there_is_always_something_new(
    shelf: Shelf, fresh_vhost: Callable[[], str]
) -> None:
    url = fresh_vhost()
    take: Any = None
    left: list[str] = []

    class Busy(Publisher):
        """One with which there is something new as soon as anything is published."""

        async def publish(self, exchange: str, envelope: Envelope, *, mandatory: bool) -> None:
            await super().publish(exchange, envelope, mandatory=mandatory)
            if not left:
                shelf.catalog.on_recorded = lambda entry: None  # another replica's
                left.append((await shelf.queued()).id)
                shelf.catalog.on_recorded = take
            await shelf.queued()

    async with relaying(shelf, Publisher(SecretStr(url), queues=[QUEUE]), Busy(SecretStr(url))):
        take = shelf.catalog.on_recorded
        await anyio.to_thread.run_sync(eventually, lambda: left)
        await until(shelf, {"subject": left[0], "pending": {"$ne": "public"}})


async def test_work_waits_until_there_is_a_queue_for_it(shelf: Shelf, fresh_vhost: Callable[[], str]) -> None:
    url = fresh_vhost()
    image = await shelf.queued()
    work = Noting(url, [])
    later = Publisher(SecretStr(url), queues=[QUEUE])

    async with relaying(shelf, work, Publisher(SecretStr(url))):
        await anyio.to_thread.run_sync(eventually, lambda: len(work.tries) > 1)
        await until(shelf, {"subject": image.id, "pending": ["work"]})

        await later.queue_state(QUEUE.name)  # which makes it
        await until(shelf, {"subject": image.id, "pending": []})

    await later.close()
    assert work.published == [(image.id, None)]


async def test_an_event_that_a_subscriber_refuses_is_tried_a_few_times_and_those_after_it_once(
    shelf: Shelf, fresh_vhost: Callable[[], str]
) -> None:
    url = fresh_vhost()
    await shelf.published()
    public = Noting(url, [], *[NotTaken("it is full")] * (PUBLIC_TRIES + 1))

    async with relaying(shelf, Publisher(SecretStr(url), queues=[QUEUE]), public):
        first = await shelf.queued()
        await until(shelf, {"subject": first.id, "pending": []})
        second = await shelf.queued()
        await until(shelf, {"subject": second.id, "pending": []})

    assert len(public.tries) == PUBLIC_TRIES + 1
    assert public.published == []


async def test_a_relay_that_stops_notes_what_it_has_published(shelf: Shelf, fresh_vhost: Callable[[], str]) -> None:
    url = fresh_vhost()
    await shelf.published()
    told = anyio.Event()

    class Telling(Publisher):
        async def publish(self, exchange: str, envelope: Envelope, *, mandatory: bool) -> None:
            await super().publish(exchange, envelope, mandatory=mandatory)
            told.set()

    public = Telling(SecretStr(url))
    async with relaying(shelf, Publisher(SecretStr(url), queues=[QUEUE]), public):
        image = await shelf.queued()
        await told.wait()

    event = await shelf.catalog.events.find_one({"subject": image.id})
    assert event is not None
    assert "public" not in event["pending"]


async def test_what_is_published_and_cannot_be_noted_yet_is_not_published_again(
    shelf: Shelf, fresh_vhost: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = fresh_vhost()
    mark, tries = outbox.mark_published, 0

    async def mark_late(*arguments: Any) -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise Outage("the database is away")
        await mark(*arguments)

    monkeypatch.setattr(outbox, "mark_published", mark_late)
    image = await shelf.queued()
    public = Noting(url, [])

    async with relaying(shelf, Publisher(SecretStr(url), queues=[QUEUE]), public):
        await until(shelf, {"subject": image.id, "pending": []})

    assert sorted(public.published) == sorted([(shelf.album_id, 1), (image.id, 1)])


class Breaking(Publisher):
    """One whose connection breaks under the first publishes, and is there again before anybody looks."""

    broken = 0

    async def publish(self, exchange: str, envelope: Envelope, *, mandatory: bool) -> None:
        if self.broken < 2 * PUBLIC_TRIES:
            self.broken += 1
            await self.queue_state(QUEUE.name)
            raise Outage("the connection broke")
        await super().publish(exchange, envelope, mandatory=mandatory)


async def test_an_event_whose_connection_broke_is_not_taken_for_refused(
    shelf: Shelf, fresh_vhost: Callable[[], str]
) -> None:
    image = await shelf.queued()
    refused: list[str] = []
    publisher = Breaking(SecretStr(fresh_vhost()), queues=[QUEUE])

    def is_published() -> bool:
        return not shelf.catalog.events.delegate.find_one({"subject": image.id, "pending": {"$gt": ""}})

    async with anyio.create_task_group() as group:
        group.start_soon(Relay(shelf.catalog, publisher, publisher, lambda: refused.append(image.id)).run)
        await anyio.to_thread.run_sync(eventually, is_published)
        group.cancel_scope.cancel()

    await publisher.close()
    assert publisher.broken == 2 * PUBLIC_TRIES
    assert refused == []
