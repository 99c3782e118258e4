"""Answers that several routes share, and how the API's description lists them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from starlette.responses import JSONResponse

from libs.catalog.records import Image
from libs.shared.errors import FailureCode
from services.api.problems import JOB_FAILED, RETRY_SECONDS, STATUSES
from services.api.schemas import FailAnswer, ProcessingAnswer

_MESSAGES = {
    "queued": "the image is still in the queue",
    "encoded": "the thumbnail is still being made",
}

Responses = dict[int | str, dict[str, Any]]

EVERYWHERE = ("unauthorized", "forbidden", "not-found", "method-not-allowed", "rate-limited", "internal", "unavailable")
"""What any request may be answered with."""
JOB_CODES = get_args(FailureCode)


def refusals(*codes: str, job_codes: Iterable[str] = ()) -> Responses:
    """How an operation's description lists what it may be refused with: each status with its codes.

    Args:
        codes: what the request itself may be refused with.
        job_codes: what may be told of a failed job; a code that is both has then another status.
    """
    by_status: dict[int, list[str]] = {422: ["invalid-request"], 503: ["unavailable"]}
    told = [(STATUSES[code], code) for code in codes] + [(JOB_FAILED, code) for code in job_codes]
    for status, code in told:
        listed = by_status.setdefault(status, [])
        if code not in listed:
            listed.append(code)
    described: Responses = {status: _refusal(*listed) for status, listed in sorted(by_status.items())}
    described[503]["headers"] = {"Retry-After": _header("seconds")}
    return described


def _refusal(*codes: str) -> dict[str, Any]:
    fail = {"$ref": "#/components/schemas/FailAnswer"}
    schema = {"allOf": [fail, {"properties": {"code": {"enum": list(codes)}}}]}
    return {"description": ", ".join(codes), "content": {"application/json": {"schema": schema}}}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


# 422 is named so that FastAPI does not describe it as something else.
FAILS: Responses = {
    **refusals(),
    "default": {
        "model": FailAnswer,
        "description": "; ".join(["a refusal", *(f"{STATUSES[code]} {code}" for code in EVERYWHERE)]),
    },
}
_NOT_YET: dict[str, Any] = {
    "model": ProcessingAnswer,
    "description": "not there yet",
    "headers": {"Retry-After": _header("seconds")},
}
_PICTURE: dict[str, Any] = {"image/*": {"schema": {"type": "string", "format": "binary"}}}
_OF_A_PICTURE = {
    "ETag": _header("strong: the SHA-256 of the bytes"),
    "Cache-Control": _header("private and immutable under an address of its own, otherwise no-store"),
    "Content-Disposition": _header("attachment and a name, for originals"),
}
STREAMED: Responses = {
    200: {"content": _PICTURE, "description": "the picture", "headers": _OF_A_PICTURE},
    202: _NOT_YET,
}
_EMPTY: dict[str, Any] = {"content": {}}
_RANGE = {"Content-Range": _header("which bytes of how many")}
CACHEABLE: Responses = {
    **STREAMED,
    206: {"content": _PICTURE, "description": "the part that Range asks for", "headers": {**_OF_A_PICTURE, **_RANGE}},
    304: {**_EMPTY, "description": "If-None-Match names it"},
    416: {**_EMPTY, "description": "Range begins beyond its end", "headers": _RANGE},
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
    return JSONResponse(body.model_dump(), status_code=202, headers={"retry-after": str(RETRY_SECONDS)})
