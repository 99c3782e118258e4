"""Subscribers as others write them: users with little rights, and queues and consumers that behave badly."""

from __future__ import annotations

import re
import secrets
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aio_pika
import anyio
import httpx
import psutil
from anyio.from_thread import start_blocking_portal
from pydantic import SecretStr

from deploy.local.rabbitmq import DEBIAN_SERVER, NODE_NAME
from libs.shared.rabbitmq import Publisher
from libs.shared.topology import EVENTS_EXCHANGE
from tests.support.events import delete_queue
from tests.support.waiting import eventually

DOCS = Path(__file__).parents[2] / "docs" / "events.md"
USER = "acme"
BAD = (REFUSING, UNREAD, UNACKED) = ("sub.bad.refusing", "sub.bad.unread", "sub.bad.unacked")
SILENT = "sub.bad.silent"


@dataclass(frozen=True)
class Guest:
    """A user with the rights that ``docs/events.md`` gives a subscriber: where it connects."""

    url: str
    vhost: str


@contextmanager
def guest(broker_api: httpx.Client, amqp_url: str) -> Iterator[Guest]:
    """The user of ``docs/events.md``, made by what the commands there say, on one vhost."""
    password = secrets.token_hex(8)
    vhost = urlsplit(amqp_url).path.lstrip("/")
    commands = [shlex.split(line) for line in _commands()]
    [granted] = [command[-3:] for command in commands if command[1] == "set_permissions"]
    [policy] = [command for command in commands if command[1] == "set_operator_policy"]
    rights = dict(zip(("configure", "write", "read"), granted, strict=True))
    broker_api.put(f"users/{USER}", json={"password": password, "tags": ""}).raise_for_status()
    broker_api.put(f"permissions/{quote(vhost, '')}/{USER}", json=rights).raise_for_status()
    bound = {"pattern": policy[5], "definition": {"max-length": 100_000}, "apply-to": policy[-1]}
    assert policy[6] == '{"max-length": 100000}'
    broker_api.put(f"operator-policies/{quote(vhost, '')}/{policy[4]}", json=bound).raise_for_status()
    where = urlsplit(amqp_url)
    try:
        yield Guest(f"amqp://{USER}:{password}@{where.hostname}:{where.port}/{vhost}", vhost)
    finally:
        broker_api.delete(f"users/{USER}")


def _commands() -> list[str]:
    found = re.search(r"<!-- permissions -->\n```bash\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found is not None
    return found.group(1).splitlines()


@contextmanager
def bad_subscribers(url: str, unread: int = 0) -> Iterator[None]:
    """Three at once: a full queue that refuses, one with ``unread`` events that nobody reads, one who never acks.

    They get events while `listening`.
    """
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_misbehaving(url, unread)):
        yield


def waiting(url: str, *queues: str) -> dict[str, int]:
    """How many messages wait in each queue."""

    async def ask() -> dict[str, int]:
        publisher = Publisher(SecretStr(url))
        try:
            return {queue: (await publisher.queue_state(queue)).messages for queue in queues}
        finally:
            await publisher.close()

    return anyio.run(ask)


@contextmanager
def listening(url: str, *names: str) -> Iterator[None]:
    """Let these of the bad subscribers, or all of them, get every event."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_listening(url, names or BAD)):
        yield


@asynccontextmanager
async def _listening(url: str, names: Sequence[str]) -> AsyncIterator[None]:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queues = [await channel.get_queue(name, ensure=False) for name in names]
        for queue in queues:
            await queue.bind(EVENTS_EXCHANGE, "#")
        yield
        for queue in queues:
            await queue.unbind(EVENTS_EXCHANGE, "#")


@asynccontextmanager
async def _misbehaving(url: str, unread: int) -> AsyncIterator[None]:
    full: dict[str, Any] = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(REFUSING, durable=True, arguments=full)
        await channel.declare_queue(UNREAD, durable=True)
        unacked = await channel.declare_queue(UNACKED, durable=True, arguments={"x-queue-type": "quorum"})
        # The queue refuses from the first event on: a quorum queue may overshoot its length by a little.
        for _ in range(10):
            try:
                await channel.default_exchange.publish(aio_pika.Message(b"full"), REFUSING)
            except aio_pika.exceptions.DeliveryError:
                break
        filling = await connection.channel(publisher_confirms=False)
        for _ in range(unread):
            await filling.default_exchange.publish(aio_pika.Message(b"x" * 1000), UNREAD)
        # Published without confirms for speed: what is on its way would still keep the broker busy.
        await anyio.to_thread.run_sync(
            lambda: eventually(lambda: waiting(url, UNREAD)[UNREAD] >= unread, 300, "all are there")
        )

        async def ignore(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            pass

        tag = await unacked.consume(ignore)
        yield
        await unacked.cancel(tag)
        for name in BAD:
            await channel.queue_delete(name)


@contextmanager
def silent_queue(url: str) -> Iterator[None]:
    """A subscriber's queue that neither takes nor refuses an event, as one whose nodes are gone: it never answers."""
    where = urlsplit(url)
    anyio.run(_bound, url, SILENT)
    name = f"{quote(where.path.lstrip('/'), '')}_{SILENT}"
    _evaluate(where.port or 0, f"sys:suspend('{name}').")
    try:
        yield
    finally:
        _evaluate(where.port or 0, f"sys:resume('{name}').")
        delete_queue(url, SILENT)


async def _bound(url: str, name: str) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(EVENTS_EXCHANGE, "#")


def _evaluate(port: int, expression: str) -> None:
    """Let the broker that listens on a port evaluate Erlang; its own environment says how to reach it."""
    [pid] = {each.pid for each in psutil.net_connections("tcp") if each.status == "LISTEN" and each.laddr.port == port}
    command = [str(DEBIAN_SERVER.with_name("rabbitmqctl")), "--longnames", "-n", NODE_NAME, "eval", expression]
    done = subprocess.run(command, env=psutil.Process(pid).environ(), capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "ok", done
