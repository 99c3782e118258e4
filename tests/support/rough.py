"""A pipeline that has a rough time: messages come late, twice and in any order, and whoever works on one may die.

What the API, the reconciler, the check of the store and the worker loop do is the real thing, on a real database.
Broker and stages are played: messages lie in heaps, and the stages store bytes that are no pictures.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from libs.catalog import dead_letters, deletions, outbox, requests, uploads
from libs.catalog.albums import create_album
from libs.catalog.records import Image
from libs.catalog.uploads import Intent
from libs.shared.errors import BlobMissing, Outage, Refusal, Rejection
from libs.shared.events import (
    BlobRef,
    Context,
    Envelope,
    Event,
    ImageEncoded,
    ImageUploaded,
    ThumbnailCreated,
    ThumbnailRequested,
    blob_ids,
    utc_now,
    work_envelope,
)
from libs.shared.ports import BlobKind
from libs.shared.topology import queue_of
from libs.shared.worker import Worker
from services.api import progress
from services.api.reconcile import reconcile
from services.decoder.stage import stage as decoder
from services.thumbnailer.stage import stage as thumbnailer
from tests.support.core import always, core_of
from tests.support.shelf import CALLER, Shelf, stream

CONTENT = b"no picture"
CONSUMES = {"decoder": decoder.consumes, "thumbnailer": thumbnailer.consumes, "api": progress.CONSUMES}
ROUNDS = 100


class Death(BaseException):
    """Ends a process: nothing of what it was about to do is done, and the broker delivers its message again."""


@dataclass
class Message:
    """A message in hand; see `libs.shared.worker.Message`."""

    body: bytes
    redeliveries: int = 0

    async def ack(self) -> None:
        """It is done with."""

    async def reject(self, *, requeue: bool) -> None:
        raise AssertionError("a bug met a message, or it cannot be read: the log says why")


class Pipeline:
    """One shelf's pipeline. It prints what happens, for whoever has to find out why a test of it fails."""

    def __init__(self, shelf: Shelf, random: Random) -> None:
        self.is_rough = True
        self.accepted = 0
        self.albums = [shelf.album_id]
        self.left_behind: set[str] = set()
        """Blobs that only the check of the store removes: of whoever died, of parked results, and thumbnails that came
        too early for an attempt which was then given up."""
        self._shelf = shelf
        self._catalog = shelf.catalog
        self._random = random
        self._heaps: dict[str, list[bytes]] = defaultdict(list)
        self._workers = {
            "decoder": Worker("decoder", CONSUMES["decoder"], self._decode, self._publish),
            "thumbnailer": Worker("thumbnailer", CONSUMES["thumbnailer"], self._shrink, self._publish),
            "api": Worker("api", CONSUMES["api"], self._apply),
        }
        # Between what a result changes and what is left to do after it one may die as well: the upload that was to go
        # is then left, if the message is parked or superseded before it comes again.
        keep_originals = random.random() < 0.8
        self._core = core_of(shelf, keep_originals=keep_originals, on_step=lambda image: self._may_die(image.original))

    def _is(self, probability: float) -> bool:
        return self.is_rough and self._random.random() < probability

    def _may_die(self, *blobs: BlobRef | None) -> None:
        if self._is(0.05):
            self.left_behind.update(blob_ids(*blobs))
            raise Death

    def _tell(self, what: str, image_id: str) -> None:
        print(image_id[:4], what)

    # What clients do.

    async def upload(self) -> None:
        """Whoever dies over it leaves it to the reconciler, which may also give up one that is still under way."""
        intent = Intent(str(uuid.uuid4()), str(uuid.uuid4()), CALLER)
        album_id = self._random.choice(self.albums)
        try:
            await uploads.begin(self._catalog, intent)
            self._may_die()
            original = await self._shelf.blobs.write(
                stream(CONTENT),
                kind="original",
                content_type="image/png",
                image_id=intent.image_id,
                blob_id=intent.blob_id,
            )
            self._may_die()
            await uploads.accept(self._catalog, intent, album_id, "beach", original, None, Context())
        except Death:
            return
        except (Refusal, Outage):
            assert await uploads.give_up(self._catalog, intent)
            await self._shelf.blobs.delete(intent.blob_id)
            await uploads.abandon(self._catalog, intent, None)
        else:
            self.accepted += 1
            self._tell("uploaded", intent.image_id)

    async def create_album(self) -> None:
        if len(self.albums) < 4:
            self.albums.append((await create_album(self._catalog, CALLER, "Autumn", None, Context())).id)

    async def delete_album(self) -> None:
        [_, *others] = self.albums
        if not others:
            return
        album_id = self._random.choice(others)
        try:
            await deletions.delete_album(self._catalog, CALLER, album_id, Context())
        except Refusal:
            return
        if not self._is(0.3):
            await deletions.sweep_album(self._catalog, self._shelf.blobs, album_id, Context())

    async def delete_image(self) -> None:
        image = await self._any_image({})
        if image is None:
            return
        try:
            await deletions.delete_image(self._catalog, CALLER, image.album_id, image.id, Context())
        except Refusal:
            return
        self._tell("deleted", image.id)
        if not self._is(0.3):
            await deletions.purge_image(self._catalog, self._shelf.blobs, image.id)

    async def retry(self) -> None:
        image = await self._any_image({"state": "failed"})
        if image is not None:
            try:
                await requests.retry(self._catalog, image, image.context)
            except Refusal:
                return
            self._tell("tried again", image.id)

    async def lose_thumbnail(self) -> None:
        """A thumbnail disappears from the store, and somebody asks for it."""
        image = await self._any_image({"state": "ready"})
        if image is not None and image.thumbnail is not None:
            await self._shelf.blobs.delete(image.thumbnail.blob_id)
            if await requests.request_thumbnail(self._catalog, image, image.context):
                self._tell("lost its thumbnail", image.id)

    async def _any_image(self, wanted: dict[str, Any]) -> Image | None:
        visible = {"state": {"$nin": ["receiving", "deleted"]}, **wanted}
        found = await self._catalog.images.find(visible).sort("order").to_list(None)
        return Image.model_validate(self._random.choice(found)) if found else None

    # What the API does by itself.

    async def relay(self) -> None:
        """Publish what is recorded, as `services.api.relay` does."""
        waiting = {event["subject"] for event in await self._catalog.events.find({"pending": "work"}).to_list(None)}
        for entry in await outbox.pending_of(self._catalog, "work", waiting):
            self._send(work_envelope(entry.envelope.event(), "api", entry.envelope.context))
            if not self._is(0.2):  # else it dies before it can say so
                await outbox.mark_published(self._catalog, ["work"], [entry.envelope.id])

    async def reconcile(self) -> None:
        """One round, in which all that is unfinished counts as standing still."""
        for due in ("check_at", "lease_until"):
            past = {"$set": {due: utc_now() - timedelta(minutes=1)}}
            await self._catalog.images.update_many({due: {"$exists": True}}, past)
        await reconcile(self._core, always)

    async def check(self) -> None:
        """The check of the store, which repairs what it finds."""
        await self._shelf.check(repair=True)

    # What the broker does.

    async def deliver(self, to: str) -> None:
        """Give one of its messages to a stage, or to the API."""
        heap = self._heaps[to]
        if not heap:
            return
        message = Message(heap.pop(self._random.randrange(len(heap))))
        if self._random.random() < 0.2:  # also when all goes well: so the contract with the broker is
            heap.append(message.body)
        if self._is(0.03):
            self.left_behind |= _brought(Envelope.from_json(message.body).event())
            await dead_letters.bury(self._catalog, message.body, queue_of(to), "delivery_limit")
            return
        try:
            await self._workers[to].handle_message(message)
        except Death:
            heap.append(message.body)

    async def _publish(self, envelope: Envelope) -> None:
        self._send(envelope)
        self._may_die()  # before it hears of the confirm

    def _send(self, envelope: Envelope) -> None:
        event = envelope.event()
        for name, consumed in CONSUMES.items():
            if isinstance(event, consumed):
                self._heaps[name].append(envelope.to_json())

    # What the stages do, and the API with their results.

    async def _decode(self, envelope: Envelope, event: Event) -> Event:
        assert isinstance(event, ImageUploaded)
        await self._require(event.original)
        self._reject_some()
        encoded = await self._write(event, "encoded")
        preview = await self._write(event, "preview", encoded) if self._random.random() < 0.5 else None
        return ImageEncoded(
            album_id=event.album_id,
            image_id=event.image_id,
            generation=event.generation,
            encoded=encoded,
            width=4,
            height=3,
            format="PNG",
            animated=False,
            placeholder="",
            preview=preview,
        )

    async def _shrink(self, envelope: Envelope, event: Event) -> Event:
        assert isinstance(event, (ImageEncoded, ThumbnailRequested))
        await self._require(event.encoded)
        self._reject_some()
        return ThumbnailCreated(
            album_id=event.album_id,
            image_id=event.image_id,
            generation=event.generation,
            thumbnail=await self._write(event, "thumbnail"),
            width=4,
            height=3,
            source=event.encoded,
        )

    async def _require(self, ref: BlobRef) -> None:
        if not await self._shelf.blobs.find(ref.blob_id):
            raise BlobMissing(ref.blob_id)

    def _reject_some(self) -> None:
        if self._random.random() < 0.15:
            raise Rejection("corrupt-image", "it is no picture")

    async def _write(self, event: Event, kind: BlobKind, *written: BlobRef) -> BlobRef:
        ref = await self._shelf.write(event.subject, kind, CONTENT)
        self._may_die(ref, *written)
        return ref

    async def _apply(self, envelope: Envelope, event: Event) -> None:
        await progress.apply(self._core, event, envelope.context)
        if await self._catalog.images.find_one({"_id": event.subject, "state": "queued", "early": {"$exists": True}}):
            self.left_behind |= _brought(event)
        self._tell(f"{envelope.routing_key} of {envelope.data['generation']} applied", event.subject)

    # How it ends.

    async def settle(self) -> None:
        """Let everything go well until nothing is left to do."""
        self.is_rough = False
        for _ in range(ROUNDS):
            await self.relay()
            for name, heap in self._heaps.items():
                while heap:
                    await self.deliver(name)
            if not any(self._heaps.values()) and not await self._catalog.events.find_one({"pending": "work"}):
                await self.reconcile()
                if not await self._catalog.images.find_one({"check_at": {"$exists": True}}):
                    return
        raise AssertionError("it does not come to an end")


def _brought(event: Event) -> set[str]:
    """The blobs that a result brings along."""
    if isinstance(event, ImageEncoded):
        return set(blob_ids(event.encoded, event.preview))
    return {event.thumbnail.blob_id} if isinstance(event, ThumbnailCreated) else set()


Act = Callable[[], Coroutine[Any, Any, None]]


def acts(pipeline: Pipeline) -> dict[Act, float]:
    """What may happen to a pipeline, and how often compared with the rest."""
    return {
        pipeline.upload: 3,
        pipeline.relay: 4,
        lambda: pipeline.deliver("decoder"): 6,
        lambda: pipeline.deliver("thumbnailer"): 6,
        lambda: pipeline.deliver("api"): 9,
        pipeline.delete_image: 0.7,
        pipeline.create_album: 0.3,
        pipeline.delete_album: 0.2,
        pipeline.retry: 2,
        pipeline.lose_thumbnail: 1,
        pipeline.reconcile: 0.3,
        pipeline.check: 0.2,
    }
