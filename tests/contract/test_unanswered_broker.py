"""What a broker leaves unanswered holds up nothing that does not need the answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import anyio
import pytest
from pydantic import SecretStr

from libs.shared import rabbitmq
from libs.shared.errors import Outage
from libs.shared.events import AlbumCreated, Context, Envelope, ImageDeleted, work_envelope
from libs.shared.rabbitmq import Consumer, Delivery, Publisher
from libs.shared.topology import WORK_EXCHANGE, Queue, stage_queue
from tests.support.muffler import BIND_OK, CONSUME_OK, DECLARE_OK, muffled

pytestmark = pytest.mark.anyio
QUEUE = stage_queue("album.tester.v1", [AlbumCreated, ImageDeleted])
SOON_SECONDS, LONG_SECONDS = 30.0, 60.0


def event() -> Envelope:
    return work_envelope(AlbumCreated(album_id=str(uuid.uuid4())), "test", Context())


async def publish(url: str, envelope: Envelope, *queues: Queue) -> None:
    publisher = Publisher(SecretStr(url), queues=queues)
    try:
        await publisher.publish(WORK_EXCHANGE, envelope, mandatory=True)
    finally:
        await publisher.close()


async def first_of(url: str) -> Envelope:
    """The first message of the queue."""
    taken: list[Envelope] = []

    async def take(delivery: Delivery) -> None:
        taken.append(Envelope.from_json(delivery.body))
        await delivery.ack()
        consumer.stop()

    consumer = Consumer(SecretStr(url), QUEUE, prefetch=1, grace_seconds=25)
    await consumer.run(take)
    return taken[0]


async def test_messages_come_and_go_while_bindings_are_not_answered(
    fresh_vhost: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq, "PUBLISH_SECONDS", LONG_SECONDS)
    monkeypatch.setattr(rabbitmq, "DECLARE_SECONDS", LONG_SECONDS)
    url, envelope = fresh_vhost(), event()
    async with muffled(url, {BIND_OK}) as muffled_url:
        with anyio.fail_after(SOON_SECONDS):
            await publish(muffled_url, envelope, QUEUE)
            assert await first_of(muffled_url) == envelope


async def test_a_consumer_whose_registration_is_not_answered_begins_again(
    fresh_vhost: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq, "DECLARE_SECONDS", 2.0)
    url, envelope = fresh_vhost(), event()
    await publish(url, envelope, QUEUE)
    async with muffled(url, {CONSUME_OK}, most=1) as muffled_url:
        with anyio.fail_after(30):
            assert await first_of(muffled_url) == envelope


async def ask_in_vain(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as impatient:
        impatient.setattr(rabbitmq, "PUBLISH_SECONDS", 1.0)
        with pytest.raises(Outage):
            await publisher.queue_state(QUEUE.name)


async def test_a_queue_that_does_not_answer_breaks_no_connection(
    fresh_vhost: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: set[tuple[int, int]] = set()
    async with muffled(fresh_vhost(), lost) as url:
        publisher = Publisher(SecretStr(url), queues=[QUEUE])
        await publisher.publish(WORK_EXCHANGE, event(), mandatory=True)
        link = publisher._link
        lost.add(DECLARE_OK)
        await ask_in_vain(publisher, monkeypatch)

        assert link is not None
        assert publisher._link is link
        assert link.is_open
        await publisher.publish(WORK_EXCHANGE, event(), mandatory=True)

        await ask_in_vain(publisher, monkeypatch)
        lost.clear()
        assert (await publisher.queue_state(QUEUE.name)).messages == 2, "asked at once"
        await publisher.close()
