"""``/album/image/...``: uploading, reading and deleting images."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.catalog import deletions
from libs.catalog.images import find_image
from libs.catalog.records import job_id_of, thumbnail_id_of
from libs.shared.errors import AlbumError
from libs.shared.mongo_errors import DriverError
from services.api import media, problems, uploads
from services.api.answers import JOB_CODES, STREAMED, processing, refusals
from services.api.background import in_background
from services.api.dependencies import CallerDependency, ContextDependency, CoreDependency, ReaderDependency
from services.api.pictures import Pending, find_picture
from services.api.schemas import (
    Done,
    GetImage,
    ImageAnswer,
    ImageCard,
    OneImage,
    UploadAnswer,
)

UPLOAD_PATH = "/album/image/upload"

router = APIRouter(prefix="/album/image", tags=["images"])

_UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["album_id", "image"],
                    "properties": {
                        "album_id": {"type": "string", "format": "uuid", "description": "the album to put it into"},
                        "image": {"type": "string", "format": "binary", "description": "the file"},
                        "image_name": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": 255,
                            "description": "for people; without it the file's own name",
                        },
                    },
                }
            }
        },
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "any text, best a UUID; sent again within 24 hours it is answered with the same ids",
            "schema": {"type": "string", "minLength": 1},
        }
    ],
}


_REFUSED_UPLOADS = refusals(
    "album-not-found",
    "upload-in-progress",
    "file-too-large",
    "unsupported-format",
    "dimensions-too-large",
    "empty-file",
    "busy",
    "storage-full",
)


@router.post(
    "/upload", status_code=202, response_model=UploadAnswer, responses=_REFUSED_UPLOADS, openapi_extra=_UPLOAD_FORM
)
async def upload_image(
    request: Request, core: CoreDependency, caller: CallerDependency, context: ContextDependency
) -> UploadAnswer | Response:
    """Store a picture and queue it for encoding; the parts may come in any order.

    A refusal may come while the file is still being sent. The server then reads on for at most 8 MiB or two seconds
    and closes the connection: a client that does not look for an answer while it sends may see a broken connection
    instead. Nothing was stored then. With an ``Idempotency-Key`` an upload can be repeated without storing it twice.
    """
    try:
        accepted = await uploads.receive(core, request, caller, context)
    except (AlbumError, DriverError) as error:
        return problems.answer(error, is_early=not getattr(request.state, "is_body_read", False))
    return UploadAnswer(
        message="image accepted",
        job_id=job_id_of(accepted.image_id),
        image_id=accepted.image_id,
        thumbnail_id=thumbnail_id_of(accepted.album_id, accepted.image_id),
    )


_NO_IMAGE = refusals("album-not-found", "image-not-found")


@router.post(
    "/get",
    response_class=Response,
    responses={**STREAMED, **refusals("album-not-found", "image-not-found", "original-not-kept", job_codes=JOB_CODES)},
)
async def get_image(body: GetImage, core: CoreDependency, caller: ReaderDependency) -> Response:
    """The picture as a stream, or the job id while it is queued."""
    found = await find_picture(core, caller, body.album_id, body.image_id, body.variant, body.wait_seconds)
    return processing(found.image) if isinstance(found, Pending) else await media.send(core, found)


@router.post("/info", responses=_NO_IMAGE)
async def get_image_info(body: OneImage, core: CoreDependency, caller: ReaderDependency) -> ImageAnswer:
    """The card of one image."""
    image = await find_image(core.catalog, caller, body.album_id, body.image_id)
    return ImageAnswer(message="image found", image=ImageCard.model_validate(image))


@router.post("/delete", responses=_NO_IMAGE)
async def delete_image(
    body: OneImage, core: CoreDependency, caller: CallerDependency, context: ContextDependency
) -> Done:
    """Delete an image in whatever state: invisible at once, its bytes follow."""
    await deletions.delete_image(core.catalog, caller, body.album_id, body.image_id, context)
    in_background(core, "a deletion", deletions.purge_image(core.catalog, core.blobs, body.image_id))
    return Done(message="image deleted")
