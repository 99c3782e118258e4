"""Pictures and thumbnails of an image: waiting for them, having a lost thumbnail made again, streaming them."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from starlette.responses import Response

from libs.catalog import requests
from libs.catalog.albums import Caller
from libs.catalog.images import find_image
from libs.catalog.records import Image
from libs.shared.errors import BlobMissing, Refusal, Rejection
from libs.shared.events import BlobRef, Context
from services.api.core import Core
from services.api.schemas import Variant

Piece = TypeVar("Piece", bytes, str)


@dataclass(frozen=True)
class Picture:
    """A blob that may be sent, whether only as a download, and all of its bytes if they are at hand."""

    ref: BlobRef
    is_attachment: bool = False
    name: str = ""
    content: bytes | None = None


@dataclass(frozen=True)
class Pending:
    """An image whose picture is not there yet."""

    image: Image


async def settled(
    core: Core, image_id: str, find: Callable[[], Awaitable[Image]], wait_seconds: float, states: tuple[str, ...]
) -> Image:
    """The image, waited for until its state is one of ``states`` or the time is over."""
    deadline = time.monotonic() + wait_seconds
    with core.feed.watch(image_id) as watch:
        image = await find()
        while image.state not in states and (left := deadline - time.monotonic()) > 0 and not core.feed.is_closed:
            await watch.wait(left)
            image = await find()
    return image


async def find_picture(
    core: Core, caller: Caller, album_id: str, image_id: str, variant: Variant, wait_seconds: float
) -> Picture | Pending:
    """The encoded picture or the original of an image.

    Raises:
        Refusal: album or image do not exist, ``original-not-kept``, or ``forbidden``: originals need the scope write.
        Rejection: the job failed and there is no picture.
    """
    if variant == "original":
        caller.require("write")  # before anything is looked up, so that the answer tells nothing
        image = await find_image(core.catalog, caller, album_id, image_id)
        if image.original is None or not image.is_original_kept:
            raise Refusal("original-not-kept", "the upload of this picture is not kept any more")
        return Picture(image.original, is_attachment=True, name=image.name)
    find = partial(find_image, core.catalog, caller, album_id, image_id)
    image = await settled(core, image_id, find, wait_seconds, ("encoded", "ready", "failed"))
    if image.encoded is not None:
        return Picture(image.encoded)
    if image.state == "failed":
        raise failure_of(image)
    return Pending(image)


async def send_thumbnail(
    core: Core,
    caller: Caller,
    ids: tuple[str, str],
    wait_seconds: float | None,
    context: Context,
    send: Callable[[Picture], Awaitable[Response]],
) -> Response | Pending:
    """Send the thumbnail of an image, ``ids`` being its album and itself; one that is missing is made again first.

    Args:
        core: the parts of this process.
        caller: who asks.
        ids: the album and the image.
        wait_seconds: how long to wait for one that there has not been yet; not given, not at all for the picture, and
            once that is there as long as for one that is lost.
        context: where the request belongs.
        send: makes the answer of what was found.

    Raises:
        Refusal: ``thumbnail-not-found``.
        Rejection: it could not be made.
    """
    lost: str | None = None
    while True:
        found = await _find_thumbnail(core, caller, ids, wait_seconds, context, lost)
        if isinstance(found, Pending):
            return found
        try:
            return await send(found)
        except BlobMissing:
            if lost is not None:
                raise
            lost = found.ref.blob_id


async def _find_thumbnail(
    core: Core, caller: Caller, ids: tuple[str, str], wait_seconds: float | None, context: Context, lost: str | None
) -> Picture | Pending:
    patience, asked = core.settings.thumbnail_wait_seconds, wait_seconds or 0
    started, has_asked = time.monotonic(), False
    with core.feed.watch(ids[1]) as watch:
        while True:
            image = await _find(core, caller, *ids)
            if image.thumbnail is not None and image.thumbnail.blob_id != lost:
                return Picture(image.thumbnail)
            if image.state == "failed" and (image.encoded is None or has_asked):
                raise failure_of(image)
            if image.state in ("ready", "failed"):
                has_asked = True
                if await requests.request_thumbnail(core.catalog, image, context) and image.thumbnail is not None:
                    await core.blobs.delete(image.thumbnail.blob_id)  # what is left of it
                continue
            if image.encoded is None:
                most = asked
            elif has_asked:  # one that was lost is made again in this request, whatever the caller would wait
                most = max(asked, patience)
            else:
                most = patience if wait_seconds is None else asked
            left = started + most - time.monotonic()
            if left <= 0 or core.feed.is_closed:
                return Pending(image)
            await watch.wait(left)


async def _find(core: Core, caller: Caller, album_id: str, image_id: str) -> Image:
    try:
        return await find_image(core.catalog, caller, album_id, image_id)
    except Refusal:
        raise Refusal("thumbnail-not-found", "there is no such thumbnail") from None


def failure_of(image: Image) -> Rejection:
    """What a failed job answers."""
    return Rejection(image.code or "attempts-exhausted", image.failure or "the job failed", job_id=image.job_id)


async def primed(content: AsyncGenerator[Piece, None]) -> AsyncIterator[Piece]:
    """The same stream with its first piece in hand, so that what keeps it from beginning shows before the answer does.

    Raises:
        BlobMissing: nothing of it is there.
    """
    first = await anext(content)

    async def whole() -> AsyncIterator[Piece]:
        async with aclosing(content):
            yield first
            async for piece in content:
                yield piece

    return whole()
