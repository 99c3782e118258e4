"""``/album/thumbnail/get``: thumbnails, made again when they are missing."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from services.api import media
from services.api.answers import JOB_CODES, STREAMED, processing, refusals
from services.api.dependencies import ContextDependency, CoreDependency, ReaderDependency
from services.api.pictures import Pending, send_thumbnail
from services.api.schemas import GetThumbnail, ids_of_thumbnail

router = APIRouter(prefix="/album/thumbnail", tags=["thumbnails"])


@router.post(
    "/get", response_class=Response, responses={**STREAMED, **refusals("thumbnail-not-found", job_codes=JOB_CODES)}
)
async def get_thumbnail(
    body: GetThumbnail, core: CoreDependency, caller: ReaderDependency, context: ContextDependency
) -> Response:
    """The thumbnail as a stream; one that is missing is made again in the same request.

    ``wait_seconds`` is for one that there has not been yet.
    """
    ids = ids_of_thumbnail(body.thumbnail_id)
    sent = await send_thumbnail(core, caller, ids, body.wait_seconds, context, partial(media.send, core))
    return processing(sent.image) if isinstance(sent, Pending) else sent
