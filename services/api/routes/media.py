"""Addresses for ``<img>`` and caches: entity tags, conditional requests, ranges."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.api import media
from services.api.answers import STREAMED, processing
from services.api.dependencies import ContextDependency, CoreDependency, ReaderDependency
from services.api.pictures import Pending, Picture, find_picture, send_thumbnail
from services.api.schemas import Id, ThumbnailId, Variant, ids_of_thumbnail

router = APIRouter(prefix="/album", tags=["media"])


@router.api_route("/thumbnail/{thumbnail_id}", methods=["GET", "HEAD"], response_class=Response, responses=STREAMED)
async def show_thumbnail(
    request: Request,
    thumbnail_id: ThumbnailId,
    core: CoreDependency,
    caller: ReaderDependency,
    context: ContextDependency,
) -> Response:
    """The thumbnail, immutable under its entity tag."""

    async def send(picture: Picture) -> Response:
        return await media.send_cacheable(core, picture, request.method, request.headers)

    sent = await send_thumbnail(core, caller, ids_of_thumbnail(thumbnail_id), 0, context, send)
    return processing(sent.image) if isinstance(sent, Pending) else sent


@router.api_route("/{album_id}/image/{image_id}", methods=["GET", "HEAD"], response_class=Response, responses=STREAMED)
async def show_image(
    request: Request,
    album_id: Id,
    image_id: Id,
    core: CoreDependency,
    caller: ReaderDependency,
    variant: Variant = "encoded",
) -> Response:
    """The picture, or with ``variant=original`` the upload as a download."""
    found = await find_picture(core, caller, album_id, image_id, variant, 0)
    if isinstance(found, Pending):
        return processing(found.image)
    return await media.send_cacheable(core, found, request.method, request.headers)
