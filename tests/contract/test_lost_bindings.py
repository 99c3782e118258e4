"""A queue that is there but not bound gets nothing, and nobody is told: consumers bind theirs again."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from pydantic import SecretStr

from libs.shared import declarations
from libs.shared.events import AlbumCreated, Context, Envelope, work_envelope
from libs.shared.rabbitmq import Consumer, Delivery, NotTaken, Publisher
from libs.shared.topology import LOG, WORK_EXCHANGE, queue_of, stage_queue

pytestmark = pytest.mark.anyio
QUEUE = stage_queue(queue_of("decoder"), [AlbumCreated])
EVENT = work_envelope(AlbumCreated(album_id="5ad2c9a6-5d2c-4d7b-9d39-6c5f1c0f5a10"), "api", Context())


@pytest.mark.parametrize(
    "lost", ["exchanges/{}/album.work", f"bindings/{{}}/e/album.work/q/{QUEUE.name}/{AlbumCreated.routing_key}"]
)
async def test_what_lost_its_binding_is_bound_again_by_who_consumes_it(
    fresh_vhost: Callable[[], str], broker_api: httpx.Client, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    monkeypatch.setattr(declarations, "RENEW_SECONDS", 0.5)
    url = fresh_vhost()
    vhost = urlsplit(url).path.lstrip("/")
    consumer = Consumer(SecretStr(url), QUEUE, prefetch=1, grace_seconds=25)
    taken: list[bytes] = []
    has_both = anyio.Event()

    async def take(delivery: Delivery) -> None:
        taken.append(delivery.body)
        await delivery.ack()
        if len(taken) == 2:
            has_both.set()

    def lose() -> None:
        broker_api.delete(lost.format(vhost)).raise_for_status()
        broker_api.delete(f"queues/{vhost}/{LOG.name}").raise_for_status()

    def is_there(name: str) -> bool:
        return broker_api.get(f"queues/{vhost}/{name}").status_code == 200

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(consumer.run, take)
            await published(url)
            lose()
            await published(url)
            await has_both.wait()
            consumer.stop()

    assert is_there(LOG.name)
    assert [Envelope.from_json(body) for body in taken] == [EVENT, EVENT]


async def published(url: str) -> None:
    """Return once somebody's queue has the event."""
    publisher = Publisher(SecretStr(url))
    try:
        while True:
            try:
                return await publisher.publish(WORK_EXCHANGE, EVENT, mandatory=True)
            except NotTaken:
                await anyio.sleep(0.05)
    finally:
        await publisher.close()
