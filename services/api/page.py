"""The web page's files, for whatever address no endpoint has."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
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
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"allow": "GET, HEAD"})
        return found

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """A file under an entity tag of its content. Times say nothing: all files of an image may have the same."""
        etag = f'"{hashlib.sha256(Path(full_path).read_bytes()).hexdigest()}"'
        found = FileResponse(full_path, status_code, {"etag": etag}, stat_result=stat_result)
        if self.is_not_modified(found.headers, Headers(scope=scope)):
            return NotModifiedResponse(found.headers)
        return found
