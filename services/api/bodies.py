"""Keeps the bodies of ordinary requests small; uploads have limits of their own."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.shared.errors import Refusal

MAX_BODY_BYTES = 65_536
"""More than any JSON body that we can accept."""


class LimitBodies:
    """ASGI middleware: refuses bodies that are too long while they arrive, since they are held in memory."""

    def __init__(self, app: ASGIApp, streamed: str) -> None:
        """``streamed`` is the end of the path whose bodies may be of any length."""
        self._app = app
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count what it reads."""
        if scope["type"] != "http" or scope["path"].endswith(self._streamed):
            return await self._app(scope, receive, send)
        length, is_told = 0, False

        async def counted() -> Message:
            nonlocal length, is_told
            message = await receive()
            length += len(message.get("body", b""))
            if length > MAX_BODY_BYTES and not is_told:
                is_told = True
                raise Refusal("invalid-request", f"the body is longer than {MAX_BODY_BYTES} bytes")
            return message

        await self._app(scope, counted, send)
