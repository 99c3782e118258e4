"""Addresses for ``<img>`` and caches: entity tags, conditional requests, ranges."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from libs.shared.errors import BlobMissing
from services.api import media
from services.api.access import SAFE_METHODS
from services.api.answers import CACHEABLE, CONDITIONS, JOB_CODES, processing, refusals
from services.api.dependencies import ContextDependency, CoreDependency, ReaderDependency, get_core
from services.api.pictures import Pending, Picture, find_picture, send_thumbnail
from services.api.schemas import Id, ThumbnailId, Variant, ids_of_thumbnail, is_thumbnail_id


class ThumbnailRoute(APIRoute):
    """Answers at once where a thumbnail is there, which pages ask for by the dozen.

    Solving FastAPI's dependencies takes several times as long as finding and sending one.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is for it: an endpoint beside it has an address of the same form."""
        is_endpoint = scope["path"].endswith("/thumbnail/get")
        return (Match.NONE, {}) if is_endpoint else super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the short way, or else as any route."""
        answer = await _answer_at_once(Request(scope)) if scope["method"] in SAFE_METHODS else None
        await (answer or super().handle)(scope, receive, send)


router = APIRouter(prefix="/album", tags=["media"])


async def _answer_at_once(request: Request) -> Response | None:
    """Check and read a thumbnail in one round trip, shared with all who ask at the same time; None if there is none."""
    thumbnail_id = request.path_params["thumbnail_id"].lower()
    if not is_thumbnail_id(thumbnail_id):
        return None
    core = await get_core(request)
    caller = await core.access.caller(request)
    caller.require("read")
    album_id, image_id = ids_of_thumbnail(thumbnail_id)
    is_content_wanted = request.method == "GET" and "if-none-match" not in request.headers
    found = await (core.thumbnails if is_content_wanted else core.thumbnail_refs).get(image_id)
    if found is None or (found.album_id, found.owner) != (album_id, caller.owner):
        return None
    core.key_limits.count_request(caller)
    try:
        return await media.send_cacheable(core, request, Picture(found.ref, content=found.content))
    except BlobMissing:
        return None


async def show_thumbnail(
    request: Request,
    thumbnail_id: ThumbnailId,
    core: CoreDependency,
    caller: ReaderDependency,
    context: ContextDependency,
) -> Response:
    """The thumbnail, immutable under its entity tag."""
    send = partial(media.send_cacheable, core, request)
    sent = await send_thumbnail(core, caller, ids_of_thumbnail(thumbnail_id), None, context, send)
    return processing(sent.image) if isinstance(sent, Pending) else sent


def serve_thumbnails(app: FastAPI) -> None:
    """Add the addresses of thumbnails: to the application itself, whose routers take as long to search as all else."""
    app.router.add_api_route(
        "/album/thumbnail/{thumbnail_id}",
        show_thumbnail,
        methods=SAFE_METHODS,
        tags=["media"],
        response_class=Response,
        responses={**CACHEABLE, **refusals("thumbnail-not-found", "not-found", job_codes=JOB_CODES)},
        openapi_extra=CONDITIONS,
        operation_id="show_thumbnail",
        route_class_override=ThumbnailRoute,
    )


_NO_IMAGE = refusals("album-not-found", "image-not-found", "original-not-kept", "not-found", job_codes=JOB_CODES)


@router.api_route(
    "/{album_id}/image/{image_id}",
    methods=SAFE_METHODS,
    response_class=Response,
    responses={**CACHEABLE, **_NO_IMAGE},
    openapi_extra=CONDITIONS,
    operation_id="show_image",
)
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
    return await media.send_cacheable(core, request, found)
