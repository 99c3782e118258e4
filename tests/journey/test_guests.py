"""Subscribers of others: what ``docs/events.md`` lets them do is enough, and is all they can do; the examples run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import aio_pika
import anyio
import httpx
import pytest
import yaml
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.exceptions import ChannelAccessRefused

from libs.shared.events import Envelope
from libs.shared.topology import DEAD_QUEUE, EVENTS_EXCHANGE, LOG_STREAM, WORK_EXCHANGE, queue_of
from tests.support.events import of
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.subscribers import DOCS, Guest, guest
from tests.support.waiting import eventually

EXAMPLES = Path(__file__).parents[2] / "examples"
WAY = ["image.uploaded.v1", "image.encoded.v1", "thumbnail.created.v1"]


@pytest.fixture(scope="module")
def visited(_stacks: StartStack) -> Iterator[Stack]:
    started = _stacks()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def acme(visited: Stack, broker_api: httpx.Client) -> Iterator[Guest]:
    with guest(broker_api, visited.environment["ALBUM_AMQP_URL"]) as acme:
        yield acme


def ready_image(stack: Stack) -> str:
    with stack.client() as client:
        return str(client.ready(client.create(), picture("PNG", 8, 8))["image_id"])


Attempt = Callable[[AbstractChannel], Awaitable[object]]


def attempt(acme: Guest, work: Attempt) -> None:
    async def connected() -> None:
        async with await aio_pika.connect(acme.url) as connection:
            await work(await connection.channel())

    anyio.run(connected)


def test_a_guest_has_a_queue_of_its_own_that_brings_every_event(visited: Stack, acme: Guest) -> None:
    image_ids: list[str] = []

    async def listen(channel: AbstractChannel) -> None:
        queue = await channel.declare_queue("sub.acme.test", durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(EVENTS_EXCHANGE, "#")
        image_ids.append(await anyio.to_thread.run_sync(ready_image, visited))
        seen: list[Envelope] = []
        with anyio.fail_after(20):
            async with queue.iterator() as messages:
                async for message in messages:
                    seen.append(Envelope.from_json(message.body))
                    await message.ack()
                    if of(image_ids[0], seen) == WAY:
                        break
        await queue.delete(if_unused=False, if_empty=False)

    attempt(acme, listen)


def test_a_guest_reads_again_from_the_stream_what_came_before_him(visited: Stack, acme: Guest) -> None:
    image_id = ready_image(visited)

    async def replay(channel: AbstractChannel) -> None:
        await channel.set_qos(prefetch_count=100)
        stream = await channel.get_queue(LOG_STREAM, ensure=False)
        seen: list[Envelope] = []
        numbers: list[int] = []
        is_told = anyio.Event()

        async def note(message: AbstractIncomingMessage) -> None:
            seen.append(Envelope.from_json(message.body))
            numbers.append(int(str(message.headers["x-stream-offset"])))
            await message.ack()
            if of(image_id, seen) == WAY:
                is_told.set()

        await stream.consume(note, arguments={"x-stream-offset": "first"})
        with anyio.fail_after(20):
            await is_told.wait()
        assert numbers == sorted(numbers)

    attempt(acme, replay)


FORBIDDEN: dict[str, Attempt] = {
    "read a stage's queue": lambda channel: _read(channel, queue_of("decoder")),
    "read the audit's queue": lambda channel: _read(channel, queue_of("audit")),
    "read the dead letters": lambda channel: _read(channel, DEAD_QUEUE),
    "listen to the pipeline": lambda channel: _bind(channel, "sub.acme.spy", WORK_EXCHANGE),
    "take over a stage's queue": lambda channel: _bind(channel, queue_of("decoder"), EVENTS_EXCHANGE),
    "publish to the pipeline": lambda channel: _publish(channel, WORK_EXCHANGE, "image.uploaded.v1"),
    "publish events": lambda channel: _publish(channel, EVENTS_EXCHANGE, "image.deleted.v1"),
    "publish into a queue": lambda channel: _publish(channel, "", queue_of("decoder")),
    "declare a queue of ours": lambda channel: channel.declare_queue("album.new.v1", durable=True),
    "declare an exchange of ours": lambda channel: channel.declare_exchange("album.new", durable=True),
    "delete a queue of ours": lambda channel: channel.queue_delete(queue_of("decoder")),
    "delete the exchange": lambda channel: channel.exchange_delete(EVENTS_EXCHANGE),
    "empty a queue of ours": lambda channel: _purge(channel, queue_of("decoder")),
    "declare a queue of others": lambda channel: channel.declare_queue("sub.other.queue", durable=True),
}


async def _read(channel: AbstractChannel, name: str) -> None:
    queue = await channel.get_queue(name, ensure=False)
    await queue.get(fail=False)


async def _bind(channel: AbstractChannel, name: str, exchange: str) -> None:
    if name.startswith("sub."):
        await channel.declare_queue(name, exclusive=True)
    queue = await channel.get_queue(name, ensure=False)
    await queue.bind(exchange, "#")


async def _publish(channel: AbstractChannel, exchange: str, routing_key: str) -> None:
    target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    await target.publish(aio_pika.Message(b"{}"), routing_key)


async def _purge(channel: AbstractChannel, name: str) -> None:
    queue = await channel.get_queue(name, ensure=False)
    await queue.purge()


@pytest.mark.parametrize("work", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_guest_can_do_nothing_else(acme: Guest, work: Attempt) -> None:
    with pytest.raises(ChannelAccessRefused):
        attempt(acme, work)


def advised_arguments() -> dict[str, object]:
    """How a subscriber's queue is to be declared, by the table."""
    rows = re.findall(r"^\| `(x-[a-z-]+: \S+)` \|", DOCS.read_text(), re.MULTILINE)
    return {name: value for row in rows for name, value in yaml.safe_load(row).items()}


QUEUES = {"audit_aio_pika": "sub.acme.audit", "audit_faststream": "sub.acme.faststream"}


@pytest.mark.parametrize("name", QUEUES)
def test_an_example_prints_who_did_what_as_a_guest(
    visited: Stack, acme: Guest, broker_api: httpx.Client, tmp_path: Path, name: str
) -> None:
    printed = tmp_path / "printed"
    with printed.open("wb") as output:
        command = [sys.executable, str(EXAMPLES / f"{name}.py")]
        example = subprocess.Popen(command, env={"AMQP_URL": acme.url}, stdout=output, stderr=subprocess.STDOUT)

    def tells_of(image_id: str) -> bool:
        assert example.poll() is None, printed.read_text()
        return f"{WAY[-1]} {image_id}" in printed.read_text()

    try:
        # It says nothing when it begins, and what was before it is not told to it.
        eventually(lambda: tells_of(ready_image(visited)), what="the example prints events")
        image_id = ready_image(visited)
        eventually(lambda: tells_of(image_id), what="it prints all of a picture's way")
    finally:
        example.kill()
        example.wait()

    lines = [line.split() for line in printed.read_text().splitlines() if image_id in line]
    assert [line[2].removeprefix("io.album.") for line in lines] == WAY
    assert all(line[1] == "local" for line in lines)
    queue = broker_api.get(f"queues/{quote(acme.vhost, '')}/{QUEUES[name]}").raise_for_status().json()
    assert queue["arguments"] == advised_arguments()
