"""Headers that every answer carries."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class SafeHeaders:
    """ASGI middleware around all others: headers that every answer carries unless its route set them."""

    def __init__(self, app: ASGIApp, defaults: dict[str, str]) -> None:
        self._app = app
        self._defaults = [(name.encode(), value.encode()) for name, value in defaults.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the answer's headers."""

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                present = {name for name, _ in headers}
                headers += [(name, value) for name, value in self._defaults if name not in present]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, complete)
