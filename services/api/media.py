"""Sending a picture: the headers for browsers and caches, conditional requests and ranges (RFC 9110)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from libs.shared.events import BlobRef
from services.api.core import Core
from services.api.pictures import Picture, primed

IMMUTABLE = "private, max-age=31536000, immutable"
_RANGE = re.compile(r"bytes=(\d{0,40})-(\d{0,40})", re.IGNORECASE)


async def send(core: Core, picture: Picture) -> Response:
    """The whole picture as a stream.

    Raises:
        BlobMissing: before anything is sent.
    """
    return await _body(core, picture, 0, picture.ref.length, headers=_headers(picture))


async def send_cacheable(core: Core, request: Request, picture: Picture) -> Response:
    """What a GET or HEAD asks for by its headers: 200, 206, 304 or 416."""
    headers = {**_headers(picture), "cache-control": IMMUTABLE}
    etag = headers["etag"]
    asked = request.headers
    if matches(",".join(asked.getlist("if-none-match")), etag):
        return Response(status_code=304, headers={k: headers[k] for k in ("etag", "cache-control")})
    status, start, stop = 200, 0, picture.ref.length
    if request.method == "GET" and "range" in asked and asked.get("if-range", etag) == etag:
        wanted = byte_range(asked["range"], picture.ref.length)
        if wanted is not None and wanted[0] >= wanted[1]:
            return Response(status_code=416, headers={"content-range": f"bytes */{picture.ref.length}"})
        if wanted is not None:
            status, (start, stop) = 206, wanted
            headers["content-range"] = f"bytes {start}-{stop - 1}/{picture.ref.length}"
            headers["content-length"] = str(stop - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return await _body(core, picture, start, stop, status_code=status, headers=headers)


async def _body(core: Core, picture: Picture, start: int, stop: int, **answer: Any) -> Response:
    if picture.content is not None:
        return Response(picture.content[start:stop], **answer)
    content = await primed(core.blobs.read(picture.ref, start, stop))
    return StreamingResponse(content, **answer)


def matches(if_none_match: str, etag: str) -> bool:
    """Whether an If-None-Match header names the entity tag; weak comparison (RFC 9110, 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


def byte_range(header: str, length: int) -> tuple[int, int] | None:
    """The one range that is asked for, as start and stop (RFC 9110, 14.1.2).

    Returns:
        None for what we may ignore (several ranges, other units, nonsense). Beyond the end start is not below stop.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.group(1) == found.group(2) == "":
        return None
    first, last = found.groups()
    if first == "":
        start, stop = max(0, length - int(last)), length
    else:
        start, stop = int(first), min(length, int(last) + 1) if last else length
        if last and int(last) < start:
            return None
    return start, stop


def _headers(picture: Picture) -> dict[str, str]:
    headers = {
        "content-type": _media_type(picture),
        "etag": _etag(picture.ref),
        "accept-ranges": "bytes",
        "content-length": str(picture.ref.length),
    }
    if picture.is_attachment:
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(picture.name, safe='')}"
    return headers


def _media_type(picture: Picture) -> str:
    # One format has two media types. Firefox saves a file under an extension of its type: as image/heif, .heic is none.
    if picture.is_attachment and picture.ref.content_type == "image/heif" and picture.name.lower().endswith(".heic"):
        return "image/heic"
    return picture.ref.content_type


def _etag(ref: BlobRef) -> str:
    return f'"{ref.sha256}"'
