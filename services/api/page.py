"""The web page's files, for whatever address no endpoint has."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

KEPT = (".js", ".css", ".svg")
"""What a browser may keep and ask about: it is the same for everybody. The documents are not kept, or going back would
show those who have signed out what was on screen."""


class Page(StaticFiles):
    """Serves files as the router's default, so that an endpoint's wrong method is told apart from a wrong address."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file, 404 or 405."""
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Find a file; other methods than GET and HEAD are wrong only where there is one."""
        found = await super().get_response(path, {**scope, "method": "GET"})
        if path.endswith(KEPT):
            found.headers["cache-control"] = "no-cache"
        if "etag" in found.headers:
            # It stands for the compressed file too, so it cannot promise that bytes are equal (RFC 9110, 8.8.1).
            found.headers["etag"] = f"W/{found.headers['etag']}"
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"allow": "GET, HEAD"})
        return found
