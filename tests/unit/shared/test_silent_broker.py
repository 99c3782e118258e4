"""A broker that takes connections and says nothing is one that is away."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from pydantic import SecretStr

from libs.shared import rabbitmq, runtime
from libs.shared.rabbitmq import Consumer, Delivery
from libs.shared.settings import ConsumerSettings
from libs.shared.topology import stage_queue

pytestmark = pytest.mark.anyio


async def handle(delivery: Delivery) -> None:
    raise AssertionError("nothing is delivered")


@asynccontextmanager
async def consumer_of_a_silent_broker(on_connection: Callable[[], None]) -> AsyncIterator[Consumer]:
    """A consumer whose broker takes connections and never says a word; ``on_connection`` is called for each."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        on_connection()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Consumer(
            SecretStr(f"amqp://127.0.0.1:{port}/"), stage_queue("album.decoder.v1", []), prefetch=1, grace_seconds=25
        )


async def test_a_consumer_tries_again_when_a_connection_is_never_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "PUBLISH_SECONDS", 0.1)
    monkeypatch.setattr(rabbitmq, "RECONNECT_SECONDS", (0.01, 0.02))
    tries = 0

    def count() -> None:
        nonlocal tries
        tries += 1
        if tries == 3:
            consumer.stop()

    async with consumer_of_a_silent_broker(count) as consumer:
        with anyio.fail_after(30):
            await consumer.run(handle)

    assert tries >= 3


async def test_a_process_that_is_told_to_stop_does_not_wait_until_its_connection_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rabbitmq, "PUBLISH_SECONDS", 600.0)

    async with consumer_of_a_silent_broker(lambda: os.kill(os.getpid(), signal.SIGTERM)) as consumer:
        with anyio.fail_after(30):
            await runtime._consume(consumer, handle, ConsumerSettings(grace_seconds=0.1))
