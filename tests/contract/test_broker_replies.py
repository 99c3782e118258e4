"""A broker that refuses says why, and the log passes it on: whoever runs it has to know what to change."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from libs.shared.broker_replies import BrokerSaysNo
from libs.shared.events import AlbumCreated
from libs.shared.rabbitmq import Consumer, Delivery, Publisher
from libs.shared.topology import queue_of, stage_queue
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio
QUEUE = stage_queue(queue_of("decoder"), [AlbumCreated])


def vhost_of(url: str) -> str:
    return urlsplit(url).path.lstrip("/")


def put(api: httpx.Client, path: str, what: dict[str, Any]) -> None:
    api.put(path, json=what).raise_for_status()


def delete(api: httpx.Client, path: str) -> None:
    api.delete(path).raise_for_status()


async def first_line_that_says(url: str, act: Callable[[], None] | None = None) -> MutableMapping[str, Any]:
    """What a consumer logs that has the broker's words, once ``act`` has been done to one that consumes."""
    consumer = Consumer(SecretStr(url), QUEUE, prefetch=1, grace_seconds=25)

    async def ignore(delivery: Delivery) -> None: ...

    with capture_logs() as lines, anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(consumer.run, ignore)
            if act is not None:
                await anyio.to_thread.run_sync(eventually, lambda: consumer.is_consuming)
                act()
            telling = await anyio.to_thread.run_sync(eventually, lambda: [line for line in lines if "said" in line])
            consumer.stop()
    return telling[0]


async def test_a_queue_that_somebody_declared_otherwise_is_named_with_the_difference(
    fresh_vhost: Callable[[], str], broker_api: httpx.Client
) -> None:
    url = fresh_vhost()
    put(broker_api, f"queues/{vhost_of(url)}/{QUEUE.name}", {"durable": True})

    line = await first_line_that_says(url)
    publisher = Publisher(SecretStr(url), queues=[QUEUE])
    with pytest.raises(BrokerSaysNo) as refused:
        await publisher.queue_state(QUEUE.name)

    assert line["reason"] == "the broker refuses what this service needs"
    assert line["error"] == "ChannelPreconditionFailed"
    for said in (line["said"], refused.value.told()["said"]):
        assert "PRECONDITION_FAILED - inequivalent arg" in said
        assert f"for queue '{QUEUE.name}'" in said


async def test_an_exchange_of_another_type_is_named(fresh_vhost: Callable[[], str], broker_api: httpx.Client) -> None:
    url = fresh_vhost()
    put(broker_api, f"exchanges/{vhost_of(url)}/album.events", {"type": "fanout", "durable": True})

    assert "for exchange 'album.events'" in (await first_line_that_says(url))["said"]


async def test_rights_that_are_missing_are_named(fresh_vhost: Callable[[], str], broker_api: httpx.Client) -> None:
    url = fresh_vhost()
    rights = {"configure": "^$", "write": ".*", "read": ".*"}
    put(broker_api, f"permissions/{vhost_of(url)}/{urlsplit(url).username}", rights)

    assert "ACCESS_REFUSED - access to exchange 'album.work'" in (await first_line_that_says(url))["said"]


async def test_a_virtual_host_that_is_not_there_is_told_of(fresh_vhost: Callable[[], str]) -> None:
    line = await first_line_that_says(fresh_vhost() + "-of-nobody")

    assert "no entry to the virtual host" in line["said"]


async def test_why_a_consumer_was_lost_is_told(fresh_vhost: Callable[[], str], broker_api: httpx.Client) -> None:
    url = fresh_vhost()

    line = await first_line_that_says(url, lambda: delete(broker_api, f"vhosts/{vhost_of(url)}"))

    assert line["event"] == "lost the consumer, starting again"
    assert "CONNECTION_FORCED - vhost" in line["said"]
