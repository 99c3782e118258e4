"""Files of the program itself: the documentation's, and the web page's for whatever address no endpoint has."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from os import PathLike, stat_result
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

ASSETS = "assets/"
"""What browsers may keep, since it is the same for everybody: scripts, styles, images. The documents are not kept, or
going back would show those who have signed out what was on screen."""

_FOR_GOOD = "public, max-age=31536000, immutable"


class WholeFile(FileResponse):
    """A file that is sent whole whatever ``Range`` asks for, as a server may (RFC 9110, 14.2).

    None is large, and Starlette answers a range that it cannot read, or that is beyond the end, in plain text.
    """

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Promise no ranges."""
        super().init_headers({**(headers or {}), "accept-ranges": "none"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)


class Files(StaticFiles):
    """Serves whole files, under entity tags of what they hold: all files of an image may have the same time."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """A file, or 304."""
        etag = f'"{hashlib.sha256(Path(full_path).read_bytes()).hexdigest()}"'
        found = WholeFile(full_path, status_code, {"etag": etag}, stat_result=stat_result)
        is_known = self.is_not_modified(found.headers, Headers(scope=scope))
        return NotModifiedResponse(found.headers) if is_known else found


class Page(Files):
    """Serves files as the router's default, so that an endpoint's wrong method is told apart from a wrong address.

    The address of an asset says which release it is of, `assets/<release>/scripts/main.js`, and so does whatever it
    imports. So browsers need not ask about any of them, and run no script beside one of another release. Under another
    release's address is what this one has: while replicas are replaced it is better than nothing.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, html=True)
        self._assets = f"{ASSETS}{_release(directory / ASSETS)}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file, 404 or 405."""
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        else:
            # HEAD tells of what GET would send, compressed too; the server leaves it out.
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            await super().__call__({**scope, "method": method}, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Find a file; other methods than GET and HEAD are wrong only where there is one."""
        found = await super().get_response(path, {**scope, "method": "GET"})
        if path.startswith(ASSETS):
            found.headers["cache-control"] = _FOR_GOOD if path.startswith(self._assets) else "no-cache"
            # It stands for the compressed file too, so it cannot promise that bytes are equal (RFC 9110, 8.8.1).
            found.headers["etag"] = f"W/{found.headers['etag']}"
        if scope["method"] != "GET":
            raise HTTPException(405, headers={"allow": "GET, HEAD"})
        return found

    def lookup_path(self, path: str) -> tuple[str, stat_result | None]:
        """Where a file lies: assets under their names alone."""
        return super().lookup_path(re.sub(f"^{ASSETS}[^/]+/", ASSETS, path))

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """An asset, or a document that asks for those of this release."""
        if Path(full_path).suffix != ".html":
            return super().file_response(full_path, stat_result, scope, status_code)
        text = Path(full_path).read_text("utf-8").replace(ASSETS, self._assets)
        return HTMLResponse(text, status_code, {"accept-ranges": "none"})


def _release(assets: Path) -> str:
    """A name for all that is in a folder."""
    digest = hashlib.sha256()
    for file in sorted(assets.rglob("*.*")):
        digest.update(f"{file.relative_to(assets)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]
