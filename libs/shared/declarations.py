"""What must be there at the broker: exchanges, queues and what binds them, declared at first and bound again later."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aio_pika
import anyio
from aio_pika.abc import AbstractChannel, AbstractConnection

from libs.shared.logs import get_logger
from libs.shared.topology import DEAD_LETTERS, EVENTS_EXCHANGE, LOG, WORK_EXCHANGE, Queue

BIND_SECONDS = 2.0
"""How long to wait for bindings, which most likely are there already. As long as a cluster waits for a node that says
nothing, up to a minute, it does all else but bind (Mnesia, before RabbitMQ 4.2); what was missing is bound after that.
"""
RENEW_SECONDS = 30.0


async def declare(connection: AbstractConnection, channel: AbstractChannel, wanted: Sequence[Queue]) -> None:
    """Make sure of the exchanges, of the queues that are everybody's and of those that are wanted."""
    queues = (DEAD_LETTERS, LOG, *wanted)
    await _declare(channel, queues)
    with anyio.move_on_after(BIND_SECONDS) as in_time:
        await asyncio.gather(*(_bind_apart(connection, *binding) for binding in _bindings(queues)))
    if in_time.cancelled_caught:
        get_logger().warning("the broker does not say that the queues are bound", queues=[one.name for one in wanted])


class Renewal:
    """Declares and binds a consumer's queue again now and then.

    A binding may go while its queue stays: an operator removes it or its exchange, a partition loses it. What is
    published then goes nowhere, or to the other queues alone, and nobody who consumes is told.
    """

    def __init__(self, connection: AbstractConnection, queue: Queue) -> None:
        self._connection = connection
        self._queues = (DEAD_LETTERS, LOG, queue)
        self._due_at = anyio.current_time() + RENEW_SECONDS
        self._channel: AbstractChannel | None = None

    async def look(self) -> None:
        """Make anew what is not there any more, if it is time to look."""
        if anyio.current_time() < self._due_at:
            return
        self._due_at = anyio.current_time() + RENEW_SECONDS
        # One channel for all times, since each leaves some kilobytes with its connection (aiormq 7.2); kept only once
        # all has been answered.
        channel, self._channel = self._channel, None
        with anyio.move_on_after(BIND_SECONDS):
            if channel is None or channel.is_closed:
                channel = await self._connection.channel(publisher_confirms=False)
            await _declare(channel, self._queues)
            for binding in _bindings(self._queues):
                await _bind(channel, *binding)
            self._channel = channel


async def _declare(channel: AbstractChannel, queues: Sequence[Queue]) -> None:
    for exchange in (WORK_EXCHANGE, EVENTS_EXCHANGE):
        await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True)
    for queue in queues:
        await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)


def _bindings(queues: Sequence[Queue]) -> list[tuple[str, str, str]]:
    return [(queue.name, queue.exchange, key) for queue in queues for key in queue.keys]


async def _bind_apart(connection: AbstractConnection, queue: str, exchange: str, key: str) -> None:
    """Bind on a channel of its own, which does nothing else as long as this has no answer."""
    channel = await connection.channel(publisher_confirms=False)
    await _bind(channel, queue, exchange, key)
    await channel.close()


async def _bind(channel: AbstractChannel, queue: str, exchange: str, key: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).bind(exchange, key)
