"""Events as tests see and send them: a subscriber of the public exchange, and a stage that does as it is told."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import aio_pika
import anyio
import gridfs
from anyio.from_thread import start_blocking_portal
from pymongo.read_concern import ReadConcern

from libs.shared.events import (
    BlobRef,
    Context,
    Envelope,
    Event,
    ImageEncoded,
    ImageFailed,
    ThumbnailCreated,
    work_envelope,
)
from libs.shared.ports import BLOB_KINDS
from libs.shared.topology import EVENTS_EXCHANGE, LOG_STREAM, WORK_EXCHANGE, queue_of, stage_queue
from tests.support.stack import Stack


@contextmanager
def subscribed(url: str, *, to_log: bool = False, exchange: str = EVENTS_EXCHANGE) -> Iterator[list[Envelope]]:
    """What an exchange tells, as it comes: from now on, or with ``to_log`` all that the log stream still has."""
    seen: list[Envelope] = []
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_consuming(url, seen, to_log, exchange)):
        yield seen


@asynccontextmanager
async def _consuming(url: str, seen: list[Envelope], to_log: bool, exchange: str) -> AsyncIterator[None]:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=200)
        if to_log:
            queue = await channel.get_queue(LOG_STREAM, ensure=False)
        else:
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind(await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True), "#")

        async def note(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            seen.append(Envelope.from_json(message.body))
            await message.ack()

        await queue.consume(note, arguments={"x-stream-offset": "first"} if to_log else None)
        yield


def send(
    url: str, *bodies: tuple[str, bytes], exchange: str = WORK_EXCHANGE, headers: Mapping[str, str] | None = None
) -> None:
    """Publish messages, each a routing key and a body, in this order."""

    async def publish() -> None:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            target = await channel.get_exchange(exchange, ensure=False)
            for routing_key, body in bodies:
                message = aio_pika.Message(
                    body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, headers={**(headers or {})}
                )
                await target.publish(message, routing_key)

    anyio.run(publish)


def stand_in(url: str, stage: str, *consumes: type[Event]) -> None:
    """Make the queue of a stage that does not run, so that what is meant for it has somewhere to wait."""

    async def declare() -> None:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            work = await channel.declare_exchange(WORK_EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
            described = stage_queue(queue_of(stage), consumes)
            queue = await channel.declare_queue(described.name, durable=True, arguments=described.arguments)
            for key in described.keys:
                await queue.bind(work, key)

    anyio.run(declare)


def delete_queue(url: str, queue: str) -> None:
    """Delete a queue with all that is in it, as an operator might by mistake. Its consumers are cancelled."""

    async def delete() -> None:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            await channel.queue_delete(queue)

    anyio.run(delete)


def of(subject: str, seen: Sequence[Envelope]) -> list[str]:
    """The short types of a subject's events, such as ``image.encoded.v1``, first occurrences in the order they came."""
    first = {envelope.id: envelope.routing_key for envelope in seen if envelope.subject == subject}
    return list(first.values())


def sequences(subject: str, seen: Sequence[Envelope]) -> list[int | None]:
    """The numbers of a subject's events, first occurrences in the order they came."""
    first = {envelope.id: envelope.sequence for envelope in seen if envelope.subject == subject}
    return list(first.values())


@dataclass(frozen=True)
class Puppet:
    """Plays the decoder and the thumbnailer of a stack that runs neither, one result at a time."""

    stack: Stack
    album_id: str
    image_id: str

    @property
    def record(self) -> dict[str, Any]:
        """The image as a majority has it, which is what the API sees: the primary knows a moment earlier."""
        images = self.stack.database["images"].with_options(read_concern=ReadConcern("majority"))
        found = images.find_one({"_id": self.image_id})
        assert found is not None
        return found

    @property
    def state(self) -> str:
        return str(self.record["state"])

    def store(self, kind: str) -> BlobRef:
        """Write a blob for the image."""
        content = uuid.uuid4().bytes
        ref = BlobRef(
            blob_id=str(uuid.uuid4()),
            length=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            content_type="image/webp",
        )
        metadata = {
            "image_id": self.image_id,
            "kind": kind,
            "sha256": ref.sha256,
            "content_type": ref.content_type,
        }
        gridfs.GridFS(self.stack.database).put(content, _id=ref.blob_id, metadata=metadata)
        return ref

    def encoded(self, generation: int = 1) -> ImageEncoded:
        """A decoder's result with a new blob."""
        return ImageEncoded(
            album_id=self.album_id,
            image_id=self.image_id,
            generation=generation,
            encoded=self.store("encoded"),
            preview=self.store("preview"),
            width=64,
            height=48,
            format="PNG",
            animated=False,
            placeholder="",
        )

    def thumbnail(self, source: ImageEncoded, generation: int | None = None) -> ThumbnailCreated:
        """A thumbnailer's result with a new blob."""
        return ThumbnailCreated(
            album_id=self.album_id,
            image_id=self.image_id,
            generation=source.generation if generation is None else generation,
            thumbnail=self.store("thumbnail"),
            width=64,
            height=48,
            source=source.encoded,
        )

    def failed(self, stage: str, generation: int = 1) -> ImageFailed:
        """A stage's verdict on the picture."""
        return ImageFailed(
            album_id=self.album_id,
            image_id=self.image_id,
            generation=generation,
            stage=stage,
            code="corrupt-image",
            message="the picture is damaged",
            attempts=generation,
        )

    def send(self, *events: Event) -> None:
        """Publish results in this order, as a stage would."""
        envelopes = [work_envelope(event, "puppet", Context()) for event in events]
        bodies = [(envelope.routing_key, envelope.to_json()) for envelope in envelopes]
        send(self.stack.environment["ALBUM_AMQP_URL"], *bodies)

    def blob_ids(self) -> set[str]:
        """The blobs that are stored for the image."""
        return {str(blob["_id"]) for blob in self.stack.blobs(image_id=self.image_id)}

    def kept_ids(self) -> set[str]:
        """The blobs that the image's record names."""
        record = self.record
        return {record[kind]["blob_id"] for kind in BLOB_KINDS if record.get(kind)}
