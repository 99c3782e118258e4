"""The relay on a real log and a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import anyio
import anyio.to_thread
import pytest
from pydantic import SecretStr

from libs.shared.events import ImageUploaded, utc_now
from libs.shared.rabbitmq import Publisher
from libs.shared.topology import stage_queue
from services.api.relay import Relay
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


async def test_work_of_a_release_that_is_not_known_here_is_left_to_it(shelf: Shelf, publisher: Publisher) -> None:
    image = await shelf.queued()
    event = await shelf.catalog.events.find_one({"subject": image.id})
    assert event is not None
    envelope = {**event["envelope"], "id": "newer", "subject": "newer", "type": UNKNOWN}
    newer = {"_id": "newer", "subject": "newer", "at": utc_now() - timedelta(minutes=1), "envelope": envelope}
    await shelf.catalog.events.insert_one({**event, **newer})

    def pending() -> dict[str, list[str]]:
        return {each["subject"]: each["pending"] for each in shelf.catalog.events.delegate.find()}

    def is_published() -> bool:
        return pending() == {shelf.album_id: [], image.id: [], "newer": ["work"]}

    async with anyio.create_task_group() as group:
        group.start_soon(Relay(shelf.catalog, publisher, publisher, lambda: None).run)
        await anyio.to_thread.run_sync(eventually, is_published)
        group.cancel_scope.cancel()

    assert (await publisher.queue_state(QUEUE.name)).messages == 1
