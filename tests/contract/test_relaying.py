"""The relay on a real log and a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import anyio
import anyio.to_thread
import pytest
from pydantic import SecretStr

from libs.catalog import outbox
from libs.catalog.records import Image
from libs.shared.errors import Outage
from libs.shared.event_log import BATCH
from libs.shared.events import Envelope, ImageUploaded, utc_now
from libs.shared.rabbitmq import Publisher
from libs.shared.topology import stage_queue
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
