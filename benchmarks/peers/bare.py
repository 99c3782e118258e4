"""The least that can answer a GET: one Starlette route that has the bytes in memory."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

CONTENT = Path(os.environ["BARE_FILE"]).read_bytes()


async def show(request: Request) -> Response:
    """The bytes, or 304 to whoever has them."""
    if request.headers.get("if-none-match") == '"bare"':
        return Response(status_code=304, headers={"etag": '"bare"'})
    return Response(CONTENT, media_type="image/webp", headers={"etag": '"bare"'})


app = Starlette(routes=[Route("/thumbnail", show)])
