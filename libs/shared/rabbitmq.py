"""The broker's driver behind two classes: publishing with confirms, and consuming. `declarations` has the third part.

aio-pika's robust connections hide topology errors and cannot add jitter to their reconnects, so both classes
here use plain connections and begin again from nothing when anything breaks (aio-pika 9 and 10 alike).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import aio_pika
import anyio
import pamqp.exceptions
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError
from pydantic import SecretStr

from libs.shared import tracing
from libs.shared.amqp_properties import leave_out_what_cannot_be_read
from libs.shared.broker_replies import outage_in
from libs.shared.declarations import Renewal, declare
from libs.shared.errors import Outage, origin_of
from libs.shared.events import CONTENT_TYPE, Envelope
from libs.shared.logs import get_logger
from libs.shared.topology import EVENTS_EXCHANGE, WORK_EXCHANGE, Queue, QueueState, noted_name

PUBLISH_SECONDS = 10.0
CLOSE_SECONDS = 2.0
DECLARE_SECONDS = 20.0
HEARTBEAT_SECONDS = 8
"""aiormq takes a broker for gone after three times as long (7.2), RabbitMQ a client after once or twice as long."""
WATCH_SECONDS = 2.0
RECONNECT_SECONDS = (0.2, 2.0)
"""Between two tries to consume: a random time, so that many workers do not come back as one."""

# Before Python 3.11 the last two are not the same.
BROKER_ERRORS = (AMQPError, pamqp.exceptions.PAMQPException, OSError, RuntimeError, TimeoutError, asyncio.TimeoutError)
"""Whatever aio-pika 9 and 10 raise when a connection or a channel is not there: RuntimeError and OSError too."""


def outage(error: BaseException) -> Outage | None:
    """The outage that a driver's error stands for, or None if it is a bug of ours."""
    passing = (AMQPError, ChannelInvalidStateError, pamqp.exceptions.PAMQPException, ConnectionError)
    return outage_in(error) if isinstance(error, passing) else None


@dataclass(frozen=True)
class Death:
    """What the broker notes on a dead letter: the queue it died in, and the reason (``rejected``, ...)."""

    queue: str
    reason: str


@dataclass(frozen=True)
class Delivery:
    """A message in hand. Exactly one of `ack` and `reject` settles it."""

    message: AbstractIncomingMessage

    @property
    def body(self) -> bytes:
        return self.message.body

    @property
    def redeliveries(self) -> int:
        """How often the message came back to its queue before."""
        return count if isinstance(count := self.message.headers.get("x-delivery-count"), int) else 0

    @property
    def first_death(self) -> Death:
        """Where and why a dead letter died."""
        headers = self.message.headers
        return Death(noted_name(headers.get("x-first-death-queue")), noted_name(headers.get("x-first-death-reason")))

    async def ack(self) -> None:
        """Tell the broker that it is done. On a connection that is gone nothing happens: it comes again."""
        try:
            await self.message.ack()
        except BROKER_ERRORS:
            get_logger().warning("could not ack: the message will come again")

    async def reject(self, *, requeue: bool) -> None:
        """Give the message back to the queue, or park it among the dead letters."""
        # Never nack: RabbitMQ 4.3 does not count its returns, earlier versions do.
        try:
            await self.message.reject(requeue=requeue)
        except BROKER_ERRORS:
            get_logger().warning("could not reject: the message will come again")


def with_heartbeat(url: str) -> str:
    """The url of a broker, asking for our heartbeats and for nothing else than before."""
    parts = urlsplit(url)
    options = {**dict(parse_qsl(parts.query, keep_blank_values=True)), "heartbeat": HEARTBEAT_SECONDS}
    return parts._replace(query=urlencode(options)).geturl()


async def _connect(url: SecretStr) -> AbstractConnection:
    """Connect to one of the nodes of a cluster, the addresses being tried in random order."""
    leave_out_what_cannot_be_read()
    addresses = url.get_secret_value().split(",")
    for tries, address in enumerate(random.sample(addresses, len(addresses)), start=1):
        try:
            # Each gets its share, so that a publish has time for another node where one does not answer.
            return await aio_pika.connect(with_heartbeat(address), timeout=PUBLISH_SECONDS / len(addresses))
        except BROKER_ERRORS:
            if tries == len(addresses):
                raise
    raise AssertionError("there is at least one address")


@dataclass
class _Link:
    """A connection with its channel, the exchanges to publish to, and a channel that a wrong question may close."""

    connection: AbstractConnection
    channel: AbstractChannel
    exchanges: dict[str, AbstractExchange]
    turn: anyio.Lock = field(default_factory=anyio.Lock)
    asking: AbstractChannel | None = None

    @property
    def is_open(self) -> bool:
        return not (self.connection.is_closed or self.channel.is_closed)

    async def ask(self, queue: str) -> QueueState:
        """Whether messages wait in a queue and who takes them.

        On one channel for all questions: each that is opened leaves some kilobytes with its connection (aiormq 7.2).

        Raises:
            ChannelNotFoundEntity: there is no such queue.
        """
        async with self.turn:
            # Kept only once it has answered: one that was given up on is about to close, and may not say so yet.
            asking, self.asking = self.asking, None
            if asking is None or asking.is_closed:
                asking = await self.connection.channel(publisher_confirms=False)
            declared = (await asking.declare_queue(queue, passive=True)).declaration_result
            self.asking = asking
        return QueueState(declared.message_count or 0, declared.consumer_count or 0)


class NotTaken(Outage):
    """The broker has answered that it does not take an event: a queue that it is for is full, or is not there."""


class Publisher:
    """Publishes with confirms on a connection of its own, connecting when first needed and whenever it broke."""

    def __init__(
        self,
        url: SecretStr,
        on_sent: Callable[[str, str], None] = lambda exchange, error: None,
        queues: Sequence[Queue] = (),
    ) -> None:
        """Describe a publisher.

        Args:
            url: of the broker; several addresses of a cluster are separated by commas.
            on_sent: told the exchange of each publish and the type of the error that it met, or an empty string.
            queues: those that must be there first: of stages who answer each other's events.
        """
        self._url = url
        self._on_sent = on_sent
        self._queues = queues
        self._link: _Link | None = None
        self._connecting = anyio.Lock()

    async def publish(self, exchange: str, envelope: Envelope, *, mandatory: bool) -> None:
        """Return once the broker has taken responsibility for the event.

        Args:
            mandatory: raise when no queue is bound for it.

        Raises:
            NotTaken: it did not; every queue that had room has the event all the same.
            Outage: nobody can know. The same event may be published again.
        """
        attributes = {"messaging.system": "rabbitmq", "messaging.message.id": envelope.id}
        error = "cancelled"
        with tracing.continued(f"send {exchange}", "producer", envelope.traceparent, attributes):
            try:
                await self._publish(exchange, envelope, mandatory)
                error = ""
            except Outage as outage:
                error = origin_of(outage)
                raise
            finally:
                self._on_sent(exchange, error)

    async def _publish(self, exchange: str, envelope: Envelope, mandatory: bool) -> None:
        message = aio_pika.Message(
            envelope.to_json(),
            content_type=CONTENT_TYPE,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=envelope.id,
            type=envelope.type,
            timestamp=envelope.time,
            app_id=envelope.source,
            correlation_id=envelope.correlationid,
            headers={"traceparent": envelope.traceparent} if envelope.traceparent else {},
        )
        link: _Link | None = None
        try:
            with anyio.fail_after(PUBLISH_SECONDS):
                link = await self._connected()
                await link.exchanges[exchange].publish(message, envelope.routing_key, mandatory=mandatory)
        except aio_pika.exceptions.DeliveryError as error:
            # A refusal or a returned message. The connection is sound.
            raise NotTaken(f"the broker did not take {envelope.routing_key}") from error
        except BROKER_ERRORS as error:
            await self._drop(link)
            raise outage_in(error) from error

    async def queue_state(self, queue: str) -> QueueState:
        """Whether messages wait in a queue and who takes them; nothing and nobody if the queue does not exist.

        Raises:
            Outage: the broker does not answer.
        """
        link: _Link | None = None
        try:
            with anyio.fail_after(PUBLISH_SECONDS):
                link = await self._connected()
                return await link.ask(queue)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return QueueState(0, 0)
        except BROKER_ERRORS as error:
            # A queue without a leader does not answer either, and what is being published to others must not suffer.
            if not isinstance(error, (TimeoutError, asyncio.TimeoutError)):
                await self._drop(link)
            raise outage_in(error) from error

    async def close(self) -> None:
        """Close the connection if there is one."""
        await self._drop(self._link)

    async def _connected(self) -> _Link:
        if self._link is not None and self._link.is_open:
            return self._link
        async with self._connecting:
            if self._link is None or not self._link.is_open:
                await self._drop(self._link)
                self._link = await self._open()
            return self._link

    async def _open(self) -> _Link:
        connection = await _connect(self._url)
        try:
            channel = await connection.channel(on_return_raises=True)
            await declare(connection, channel, self._queues)
            names = (WORK_EXCHANGE, EVENTS_EXCHANGE)
            return _Link(connection, channel, {name: await channel.get_exchange(name, ensure=False) for name in names})
        except BaseException:
            await _close_quietly(connection)
            raise

    async def _drop(self, link: _Link | None) -> None:
        """Close the connection that failed, and no newer one that somebody else has opened since."""
        if link is None:
            return
        if self._link is link:
            self._link = None
        await _close_quietly(link.connection)


class Consumer:
    """Connect, declare, consume; on any break begin again, with backoff and jitter, until stopped."""

    def __init__(self, url: SecretStr, queue: Queue, *, prefetch: int, grace_seconds: float) -> None:
        """Describe a consumer of ``queue``.

        Args:
            prefetch: how many messages may be in hand at once.
            grace_seconds: how long a stop waits for messages in hand before it gives them back.
        """
        self._url = url
        self._queue = queue
        self._prefetch = prefetch
        self._grace_seconds = grace_seconds
        self.is_consuming = False
        """Whether it is registered at the broker."""
        self._is_stopping = False
        self._changed = anyio.Event()
        self._lost: BaseException | None = None

    def stop(self) -> None:
        """Take no more messages, finish or give back those in hand, and let `run` return."""
        self._is_stopping = True
        self._wake()

    async def run(self, handle: Callable[[Delivery], Coroutine[Any, Any, None]]) -> None:
        """Pass each message to ``handle``, at most ``prefetch`` at a time, until `stop` is called."""
        while not self._is_stopping:
            try:
                await self._consume(handle)
            except BROKER_ERRORS as error:
                self._warn("the broker is away", error)
            if not self._is_stopping:
                self._changed = anyio.Event()
                with anyio.move_on_after(random.uniform(*RECONNECT_SECONDS)):
                    await self._changed.wait()

    async def _consume(self, handle: Callable[[Delivery], Coroutine[Any, Any, None]]) -> None:
        async with AsyncExitStack() as stack:
            connection = await _connect(self._url)
            stack.push_async_callback(_close_quietly, connection)
            # A broker that has just come back may leave a declaration without an answer.
            with anyio.fail_after(DECLARE_SECONDS):
                channel = await connection.channel(publisher_confirms=False)
                await channel.set_qos(prefetch_count=self._prefetch)
                await declare(connection, channel, [self._queue])
                queue = await channel.get_queue(self._queue.name, ensure=False)
            connection.close_callbacks.add(self._wake)
            channel.close_callbacks.add(self._wake)
            async with anyio.create_task_group() as in_hand:
                # Errors of the broker must not leave the group, which would wrap them.
                try:

                    async def on_message(message: AbstractIncomingMessage) -> None:
                        in_hand.start_soon(handle, Delivery(message))

                    with anyio.fail_after(DECLARE_SECONDS):
                        tag = await queue.consume(on_message)
                    self._lost = None
                    self._note(True)
                    stack.callback(self._note, False)
                    get_logger().info("consuming", queue=self._queue.name, prefetch=self._prefetch)
                    if await self._watch(channel, tag, Renewal(connection, self._queue)):
                        in_hand.cancel_scope.deadline = anyio.current_time() + self._grace_seconds
                        await queue.cancel(tag)
                        return
                    self._warn("lost the consumer, starting again", self._lost)
                except BROKER_ERRORS as error:
                    self._warn("the broker is away", error)
                # Whatever is in hand is delivered again, so it need not be finished here.
                in_hand.cancel_scope.cancel()

    async def _watch(self, channel: AbstractChannel, tag: str, renewal: Renewal) -> bool:
        """Wait until stopped (True) or until connection, channel or consumer is gone (False)."""
        underlay = cast(Any, await channel.get_underlay_channel())
        while not self._is_stopping:
            # A server-side cancel (a deleted queue, a consumer timeout) only removes the tag, on aio-pika 9
            # without telling anyone.
            if channel.is_closed or tag not in underlay.consumers:
                return False
            try:
                await renewal.look()
            except BROKER_ERRORS as error:
                self._warn("cannot see to the queue's bindings", error)
            with anyio.move_on_after(WATCH_SECONDS):
                await self._changed.wait()
                # Made anew, or word that comes late of an earlier connection would end every wait from then on.
                self._changed = anyio.Event()
        return True

    def _note(self, is_consuming: bool) -> None:
        self.is_consuming = is_consuming

    def _wake(self, *of: object) -> None:
        # A channel or a connection that has ended says why.
        self._lost = next((error for error in of if isinstance(error, BaseException)), None)
        self._changed.set()

    def _warn(self, what: str, error: BaseException | None) -> None:
        get_logger().warning(what, queue=self._queue.name, **({} if error is None else outage_in(error).told()))


async def _close_quietly(connection: AbstractConnection) -> None:
    with anyio.move_on_after(CLOSE_SECONDS, shield=True), suppress(*BROKER_ERRORS):
        await connection.close()
