"""The one message loop: takes an event, calls the handler, publishes what it returns, settles the message.

Nobody else acks or publishes for a stage. What went wrong decides what happens to the message:

- `Rejection`, the picture's fault: ImageFailed is published, then ack.
- `Outage`, a dependency's fault: the message is kept and tried again with backoff and jitter.
- `BlobMissing`: the attempt was superseded or its image deleted; ack, no event.
- `ContractBreach`: parked at once among the dead letters.
- anything else is a bug: returned to the queue a few times, then parked.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import anyio
import structlog
import tenacity

from libs.shared import tracing
from libs.shared.errors import BlobMissing, ContractBreach, Rejection
from libs.shared.events import Attempt, Envelope, Event, ImageEvent, ImageFailed, work_envelope
from libs.shared.logs import get_logger
from libs.shared.outages import outage_of
from libs.shared.topology import queue_of

SUSPECT_SECONDS = 1.0
BUG_REDELIVERIES = 3
"""How often a message that meets a bug is given back before it is parked."""


class Message(Protocol):
    """What the loop needs of a message in hand."""

    @property
    def body(self) -> bytes: ...
    @property
    def redeliveries(self) -> int: ...
    async def ack(self) -> None: ...
    async def reject(self, *, requeue: bool) -> None: ...


Handle = Callable[[Envelope, Event], Awaitable["Event | None"]]
Publish = Callable[[Envelope], Awaitable[None]]
Result = TypeVar("Result")


class Worker:
    """Applies one handler to messages. `handle_message` is what a consumer calls for each."""

    def __init__(
        self, name: str, consumes: Sequence[type[Event]], handle: Handle, publish: Publish | None = None
    ) -> None:
        """Describe a worker.

        Args:
            name: the stage's name, for sources, failures and logs.
            consumes: the only events that the handler is called with.
            handle: takes an event and returns the event it leads to, or None.
            publish: returns once the broker has confirmed the event; None for one that never answers.
        """
        self._name = name
        self._consumes = tuple(consumes)
        self._handle = handle
        self._publish = publish
        self._suspects = anyio.Lock()

    async def handle_message(self, message: Message) -> str | None:
        """Carry one message through to its end: acked, parked or given back.

        Returns:
            The type of the error that it met, None if it was acked.
        """
        try:
            if message.redeliveries:
                await self._process_alone(message.body)
            else:
                await self._process(message.body)
        except ContractBreach as error:
            get_logger().error("parked a message that cannot be read", reason=error.message)
            await message.reject(requeue=False)
            return type(error).__name__
        except Exception as error:  # noqa: BLE001 - an edge
            is_parked = message.redeliveries >= BUG_REDELIVERIES
            get_logger().exception("a bug met a message", is_parked=is_parked)
            await message.reject(requeue=not is_parked)
            return type(error).__name__
        else:
            await message.ack()
            return None

    async def _process_alone(self, body: bytes) -> None:
        """Process a message that came back, one at a time and in random order.

        One of them may be what killed the worker it was with before. Its neighbours must not share its fate until they,
        too, are parked.
        """
        await anyio.sleep(random.uniform(0, SUSPECT_SECONDS))
        async with self._suspects:
            await self._process(body)

    async def _process(self, body: bytes) -> None:
        envelope = Envelope.from_json(body)
        event = envelope.event()
        if not isinstance(event, self._consumes):
            raise ContractBreach(f"{envelope.type} is no business of {self._name}")
        about = {"image_id": event.image_id} if isinstance(event, ImageEvent) else {}
        structlog.contextvars.bind_contextvars(
            event_id=envelope.id, correlation_id=envelope.correlationid or envelope.id, **about
        )
        attributes = {"messaging.system": "rabbitmq", "messaging.message.id": envelope.id}
        with tracing.continued(f"process {queue_of(self._name)}", "consumer", envelope.traceparent, attributes):
            here = envelope.model_copy(update={"traceparent": tracing.traceparent()})
            await self._carry_out(here, event)

    async def _carry_out(self, envelope: Envelope, event: Event) -> None:
        answer = await wait_out(lambda: self._answer(envelope, event))
        publish = self._publish
        if answer is not None and publish is not None:
            reply = work_envelope(answer, self._name, envelope.context.caused_by(envelope.id))
            await wait_out(lambda: publish(reply))

    async def _answer(self, envelope: Envelope, event: Event) -> Event | None:
        try:
            return await self._handle(envelope, event)
        except BlobMissing:
            get_logger().info("superseded: the blob is gone")
            return None
        except Rejection as rejection:
            if not isinstance(event, Attempt):
                raise
            get_logger().info("rejected", code=rejection.code)
            return ImageFailed(
                album_id=event.album_id,
                image_id=event.image_id,
                generation=event.generation,
                stage=self._name,
                code=rejection.code,
                message=rejection.message,
                attempts=event.generation,
            )


async def wait_out(step: Callable[[], Awaitable[Result]]) -> Result:
    """Run a repeatable step until no outage stands in its way, with backoff and jitter, however long that takes."""

    def is_outage(error: BaseException) -> bool:
        outage = outage_of(error)
        if outage is not None:
            get_logger().warning("waiting out an outage", **outage.told())
        return outage is not None

    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(is_outage),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
    )
    async for attempt in retrying:
        with attempt:
            return await step()
    raise AssertionError("tenacity either returns or raises")
