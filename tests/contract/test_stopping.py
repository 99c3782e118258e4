"""A consumer that is told to stop finishes what it can, and ends when its grace does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import pytest
from pydantic import SecretStr

from libs.shared import rabbitmq
from libs.shared.events import BlobRef, Context, ImageUploaded, work_envelope
from libs.shared.rabbitmq import Consumer, Delivery, Publisher
from libs.shared.topology import WORK_EXCHANGE, stage_queue
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio
QUEUE = stage_queue("album.decoder.v1", [ImageUploaded])
PATIENCE_SECONDS = 30.0
LONG_SECONDS = 600.0
"""Longer than any test may take."""
ORIGINAL = BlobRef(blob_id="blob", length=1, sha256="0" * 64, content_type="image/png")
UPLOADED = ImageUploaded(album_id="album", image_id="image", original=ORIGINAL, generation=1)
MESSAGE = work_envelope(UPLOADED, "api", Context())


@pytest.fixture
def amqp_url(fresh_vhost: Callable[[], str]) -> str:
    """A vhost for one test."""
    return fresh_vhost()


@pytest.fixture
async def publisher(amqp_url: str) -> AsyncIterator[Publisher]:
    publisher = Publisher(SecretStr(amqp_url), queues=[QUEUE])
    yield publisher
    await publisher.close()


class Line:
    """What lies between a consumer and the broker; when it is dead, nothing comes through and nobody hangs up."""

    def __init__(self, amqp_url: str) -> None:
        self._broker = urlsplit(amqp_url)
        self.is_dead = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """The url of its near end."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        who, port = self._broker.netloc.rpartition("@")[0], server.sockets[0].getsockname()[1]
        async with server:
            yield self._broker._replace(netloc=f"{who}@127.0.0.1:{port}").geturl()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._broker.hostname, self._broker.port)
        async with anyio.create_task_group() as both:
            both.start_soon(self._pass_on, reader, far_writer)
            both.start_soon(self._pass_on, far_reader, writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(65_536):
            if not self.is_dead:
                writer.write(content)
        writer.close()


class Work:
    """One message in hand: begun, and not done before it may be."""

    def __init__(self) -> None:
        self.has_begun = anyio.Event()
        self.may_end = anyio.Event()
        self.is_done = False

    async def handle(self, delivery: Delivery) -> None:
        self.has_begun.set()
        await self.may_end.wait()
        await delivery.ack()
        self.is_done = True


def consumer_of(url: str, grace_seconds: float) -> Consumer:
    """A consumer of the decoder's queue."""
    return Consumer(SecretStr(url), QUEUE, prefetch=1, grace_seconds=grace_seconds)


async def test_work_in_hand_is_finished_within_the_grace(amqp_url: str, publisher: Publisher) -> None:
    consumer, work = consumer_of(amqp_url, LONG_SECONDS), Work()
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(consumer.run, work.handle)
            await publisher.publish(WORK_EXCHANGE, MESSAGE, mandatory=True)
            await work.has_begun.wait()

            consumer.stop()
            await anyio.wait_all_tasks_blocked()
            work.may_end.set()

    assert work.is_done


async def test_work_that_is_not_finished_within_the_grace_is_given_back(amqp_url: str, publisher: Publisher) -> None:
    consumer, work, again = consumer_of(amqp_url, 0.1), Work(), Work()
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(consumer.run, work.handle)
            await publisher.publish(WORK_EXCHANGE, MESSAGE, mandatory=True)
            await work.has_begun.wait()

            consumer.stop()
        async with anyio.create_task_group() as group:
            group.start_soon(consumer_of(amqp_url, 0.1).run, again.handle)
            await again.has_begun.wait()
            group.cancel_scope.cancel()

    assert not work.is_done


async def test_a_consumer_whose_broker_hangs_does_not_wait_for_its_farewell(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq, "HEARTBEAT_SECONDS", round(LONG_SECONDS))  # nor does anything else end it
    line = Line(amqp_url)
    async with line.open() as url:
        consumer = consumer_of(url, 0.1)
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(consumer.run, Work().handle)
                await anyio.to_thread.run_sync(eventually, lambda: consumer.is_consuming)
                line.is_dead = True

                consumer.stop()
