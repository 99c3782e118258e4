"""Keeps the bodies of ordinary requests small and quick; uploads have limits of their own."""

from __future__ import annotations

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.shared.errors import Refusal
from services.api.access import SAFE_METHODS

MAX_BODY_BYTES = 65_536
"""More than any JSON body that we can accept."""
BODY_SECONDS = 10.0
"""How long such a body may take."""


class LimitBodies:
    """ASGI middleware: refuses bodies that are too long or too slow while they arrive; they are held in memory."""

    def __init__(self, app: ASGIApp, streamed: str) -> None:
        """``streamed`` is the end of the path whose bodies may be of any length."""
        self._app = app
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count what it reads."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:  # what comes with these is not read
            return await self._app(scope, receive, send)
        if scope["path"].endswith(self._streamed):
            # What refuses it before its route reads it must know that the client is still sending.
            scope.setdefault("state", {})["is_body_streamed"] = True
            return await self._app(scope, receive, send)
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        length, is_over = 0, False
        deadline = anyio.current_time() + BODY_SECONDS

        async def counted() -> Message:
            nonlocal length, is_over
            if is_over:
                return await receive()
            if int(declared) > MAX_BODY_BYTES:
                is_over = True
                raise _too_long()
            try:
                with anyio.fail_after(max(0.0, deadline - anyio.current_time())):
                    message = await receive()
            except TimeoutError:
                is_over = True
                raise Refusal("invalid-request", f"the body took longer than {BODY_SECONDS:g} seconds") from None
            length += len(message.get("body", b""))
            is_over = length > MAX_BODY_BYTES or not message.get("more_body")
            if length > MAX_BODY_BYTES:
                raise _too_long()
            return message

        await self._app(scope, counted, send)


def _too_long() -> Refusal:
    return Refusal("invalid-request", f"the body is longer than {MAX_BODY_BYTES} bytes")
