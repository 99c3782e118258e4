"""Uploads: from the request's bytes straight into the blob store, refused as soon as something proves them wrong."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import anyio
from fastapi import Request
from structlog.contextvars import bind_contextvars

from libs.catalog import uploads
from libs.catalog.albums import Caller, find_album
from libs.catalog.uploads import Intent
from libs.shared.errors import Outage, Refusal
from libs.shared.events import BlobRef, Context
from libs.shared.formats import CONTENT_TYPES
from libs.shared.ids import canonical_id
from libs.shared.imaging import MAX_HEAD_BYTES, Header, probe
from libs.shared.mongo import cleanup_seconds
from libs.shared.settings import LimitSettings
from services.api.core import Core
from services.api.multipart import Multipart, Part
from services.api.schemas import MAX_NAME

FIELD_BYTES = 4096
OVERHEAD_BYTES = 65_536
"""More than the fields, boundaries and headers of any body that we can accept."""
MIN_BYTES_PER_SECOND = 1024
"""What an upload must bring on average, or a handful of clients could hold all the places for uploads."""
SHORT_BYTES = 1_048_576
"""A body that is here in a moment, so that its acceptance tells soon enough whether there is such an album."""
RENEWALS = 4
"""How often an upload that goes on shows it within its lease."""
FIRST_LOOK_BYTES = 512
UNDO_SECONDS = 3
"""How long a stop waits beyond its grace until what it has cut off is undone; whoever stops us waits some more."""


@dataclass(frozen=True)
class Accepted:
    """The ids in a 202."""

    album_id: str
    image_id: str


async def receive(core: Core, request: Request, caller: Caller, context: Context) -> Accepted:
    """Store an upload and accept it as an image of its album.

    Raises:
        Refusal: whatever the contract lists for uploads; then nothing of it is left.
    """
    if core.uploads_in_flight >= core.settings.max_uploads:
        raise Refusal("busy", "too many uploads are under way", retry_after=1)
    with core.key_limits.upload(caller):
        core.uploads_in_flight += 1  # before anything is waited for, or many would pass the check together
        try:
            return await _receive(core, request, caller, context)
        finally:
            core.uploads_in_flight -= 1
            if not core.uploads_in_flight:
                core.last_upload_ended.set()


async def ended(core: Core) -> None:
    """Wait, but not for long, until no upload is under way: those that a stop has cut off are being undone."""
    if core.uploads_in_flight:
        core.last_upload_ended = anyio.Event()
        with anyio.move_on_after(UNDO_SECONDS):
            await core.last_upload_ended.wait()


def _declared(request: Request) -> int:
    """The length of the body by its header; 0 if that does not tell."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


async def _receive(core: Core, request: Request, caller: Caller, context: Context) -> Accepted:
    key = request.headers.get("idempotency-key")
    if key == "":
        raise Refusal("invalid-request", "an Idempotency-Key must not be empty")
    declared = _declared(request)
    if declared > core.limits.max_bytes + OVERHEAD_BYTES:
        raise _body_too_large(core.limits)
    upload = _Upload(core, caller, context, key, declared)
    bind_contextvars(image_id=upload.image_id)
    try:
        body = upload.kept_alive(_patient(core, request))
        return await upload.receive(Multipart(request.headers.get("content-type", ""), body))
    except BaseException as error:
        is_undone = False
        # Bounded, so that requests and stops end while the database is away.
        with anyio.move_on_after(cleanup_seconds(error), shield=True), suppress(Outage):
            await upload.undo()
            is_undone = True
        if not is_undone:
            core.leftovers.add(upload.undo)
        raise


async def _patient(core: Core, request: Request) -> AsyncIterator[bytes]:
    """The request's bytes; a client that falls silent is given up, and one that sends more than can be accepted."""
    stream = request.stream()
    length, started = 0, time.monotonic()
    while True:
        idle = core.settings.upload_idle_seconds
        slow = idle + length / MIN_BYTES_PER_SECOND - (time.monotonic() - started)
        try:
            with anyio.fail_after(max(0.0, min(idle, slow))):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise Refusal("invalid-request", "the upload stood still for too long, or was too slow") from None
        if chunk is None:
            request.state.is_body_read = True
            return
        length += len(chunk)
        if length > core.limits.max_bytes + OVERHEAD_BYTES:
            raise _body_too_large(core.limits)
        yield chunk


class _Upload:
    """One upload's way from intent to acceptance."""

    def __init__(self, core: Core, caller: Caller, context: Context, header_key: str | None, declared: int) -> None:
        self._core = core
        self._context = context
        self._declared = declared
        self._intent = Intent(str(uuid.uuid4()), str(uuid.uuid4()), caller)
        self._header_key = header_key
        self._key: str | None = None
        self._has_begun = False
        self._renewed_at = time.monotonic()
        self._original: BlobRef | None = None
        self._filename: str | None = None
        self._fields: dict[str, str] = {}
        self._known: Accepted | None = None

    @property
    def image_id(self) -> str:
        return self._intent.image_id

    async def receive(self, multipart: Multipart) -> Accepted:
        async for part in multipart.parts():
            if self._known is not None:
                continue  # a client that is still sending would not hear the answer
            if part.name == "image":
                await self._take_image(part)
            elif part.name in ("album_id", "image_name"):
                await self._take_field(part)
        if self._known is not None:
            await self.undo()
            return self._known
        album_id, name = self._complete()
        assert self._original is not None
        await self._core.quota.take(self._intent.caller.owner, self._original.length)
        image = await uploads.accept(
            self._core.catalog, self._intent, album_id, name, self._original, self._key, self._context
        )
        return Accepted(album_id, image.id)

    async def kept_alive(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same stream; while it goes on, intent and key are kept from running out."""
        async for chunk in body:
            if time.monotonic() - self._renewed_at > self._core.settings.upload_lease_seconds / RENEWALS:
                self._renewed_at = time.monotonic()
                await uploads.renew(self._core.catalog, self._intent, self._key)
            yield chunk

    async def undo(self) -> None:
        """Leave nothing behind of an upload that was not accepted."""
        if self._has_begun:
            if not await uploads.give_up(self._core.catalog, self._intent):
                return
            await self._core.blobs.delete(self._intent.blob_id)
        if self._has_begun or self._key is not None:
            await uploads.abandon(self._core.catalog, self._intent, self._key)

    async def _take_field(self, part: Part) -> None:
        if part.name in self._fields:
            raise Refusal("invalid-request", f"{part.name} is given twice")
        value = await part.text(FIELD_BYTES)
        if part.name == "album_id":
            value = canonical_id(value)
            await self._meet_album(value)
        else:
            _check_name(value)
        self._fields[part.name] = value

    async def _meet_album(self, album_id: str) -> None:
        # Acceptance checks it again; only an upload that takes long, or has a key, must know now whether there is one.
        is_short = 0 < self._declared <= SHORT_BYTES
        if not is_short or self._header_key is not None:
            await find_album(self._core.catalog, self._intent.caller, album_id)
        if self._header_key is not None:
            # Before it is known whether the key is ours, or one that is claimed without an answer would stay held.
            self._key = uploads.idempotency_key(self._intent.caller, album_id, self._header_key)
            known = await uploads.claim_key(self._core.catalog, self._key, self._intent)
            if known is not None:
                self._known = Accepted(album_id, known)

    async def _take_image(self, part: Part) -> None:
        if self._original is not None:
            raise Refusal("invalid-request", "image is given twice")
        # Only here: what a key is known for is stored already, and needs no room.
        await self._require_room()
        self._filename = part.filename
        head, header = await _read_head(part.content, self._core.limits)
        if header.format is None:
            raise _unsupported()
        await uploads.begin(self._core.catalog, self._intent)
        self._has_begun = True
        self._original = await self._core.blobs.write(
            self._bounded(head, part.content),
            kind="original",
            content_type=CONTENT_TYPES[header.format],
            image_id=self._intent.image_id,
            blob_id=self._intent.blob_id,
        )

    async def _require_room(self) -> None:
        await self._core.room.require()
        await self._core.backlog.require(is_broker_there=self._core.results.is_consuming)
        await self._core.quota.require(self._intent.caller.owner, max(0, self._declared - OVERHEAD_BYTES))

    async def _bounded(self, head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        length = len(head)
        yield head
        async for piece in rest:
            length += len(piece)
            if length > self._core.limits.max_bytes:
                raise _too_large(self._core.limits)
            yield piece

    def _complete(self) -> tuple[str, str]:
        missing = [] if "album_id" in self._fields else ["album_id"]
        missing += ["image"] if self._original is None else []
        if missing:
            raise Refusal("invalid-request", f"{' and '.join(missing)} must be given")
        # A file's name is data: only its last component says something about the picture.
        name = self._fields.get("image_name", (self._filename or "").replace("\\", "/").rpartition("/")[2])
        _check_name(name)
        return self._fields["album_id"], name


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= MAX_NAME:
        raise Refusal("invalid-request", f"the image's name must have 1 to {MAX_NAME} characters")


async def _read_head(content: AsyncIterator[bytes], limits: LimitSettings) -> tuple[bytes, Header]:
    """Read until format and size are proven, at most `MAX_HEAD_BYTES`, and refuse what they prove wrong."""
    head = bytearray()
    next_look = FIRST_LOOK_BYTES
    async for piece in content:
        head += piece
        if len(head) > limits.max_bytes:
            raise _too_large(limits)
        if len(head) >= next_look:
            header = _judge(bytes(head[:MAX_HEAD_BYTES]), limits)
            if header.width is not None or len(head) >= MAX_HEAD_BYTES:
                return bytes(head), header
            next_look = 2 * len(head)
    if not head:
        raise Refusal("empty-file", "the file is empty")
    return bytes(head), _judge(bytes(head), limits)


def _judge(head: bytes, limits: LimitSettings) -> Header:
    header = probe(head)
    if header.format is None and header.is_format_settled:
        raise _unsupported()
    if header.width is not None and header.height is not None and not limits.allows(header.width, header.height):
        raise Refusal("dimensions-too-large", **limits.excess(header.width, header.height))
    return header


def _unsupported() -> Refusal:
    return Refusal("unsupported-format", "only JPEG, PNG, WebP, HEIF, HEIC and AVIF pictures are accepted")


def _too_large(limits: LimitSettings) -> Refusal:
    message = f"the file is larger than {limits.max_bytes} bytes"
    return Refusal("file-too-large", message, limit={"bytes": limits.max_bytes})


def _body_too_large(limits: LimitSettings) -> Refusal:
    message = f"the request is too large: a file may have at most {limits.max_bytes} bytes"
    return Refusal("file-too-large", message, limit={"bytes": limits.max_bytes})
