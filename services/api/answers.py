"""Answers that several routes share, and how the API's description lists them."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from libs.catalog.records import Image
from services.api.problems import RETRY_SECONDS
from services.api.schemas import FailAnswer, ProcessingAnswer

_MESSAGES = {
    "queued": "the image is still in the queue",
    "encoded": "the thumbnail is still being made",
}

_FAIL = {"model": FailAnswer, "description": "a refusal, with its code"}
# 422 is named so that FastAPI does not describe it as something else.
FAILS: dict[int | str, dict[str, Any]] = {422: _FAIL, "default": _FAIL}
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}, "description": "the picture"},
    202: {"model": ProcessingAnswer, "description": "not there yet; see Retry-After"},
    **FAILS,
}
_EMPTY: dict[str, Any] = {"content": {}}
CACHEABLE: dict[int | str, dict[str, Any]] = {
    **STREAMED,
    206: {"content": STREAMED[200]["content"], "description": "the part that Range asks for"},
    304: {**_EMPTY, "description": "If-None-Match names it"},
    416: {**_EMPTY, "description": "Range begins beyond its end"},
}
CONDITIONS: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
        for name in ("If-None-Match", "If-Range", "Range")
    ]
}
"""How a GET of a picture describes the headers that it heeds (RFC 9110, 13 and 14)."""


def processing(image: Image) -> JSONResponse:
    """202: what was asked for is not there yet."""
    body = ProcessingAnswer(message=_MESSAGES[image.state], job_id=image.job_id, state=image.state)
    headers = {"retry-after": str(RETRY_SECONDS), "cache-control": "no-store"}
    return JSONResponse(body.model_dump(), status_code=202, headers=headers)
