"""What this process counts, and the middleware that counts requests."""

from __future__ import annotations

import time

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Metrics:
    """A registry of its own, so that several apps can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP requests until the last byte of the answer.",
            ("http_request_method", "http_route", "http_response_status_code"),
            registry=self.registry,
        )
        self.uploads_in_flight = Gauge(
            "album_uploads_in_flight", "Uploads that are being received.", registry=self.registry
        )


class CountRequests:
    """ASGI middleware: the duration of each request by method, route and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and measure it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status, started = 499, time.perf_counter()

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            # The route's template, not the path: ids must not become label values.
            route = getattr(scope.get("route"), "path", "other")
            labels = (scope["method"], route, str(status))
            self._metrics.requests.labels(*labels).observe(time.perf_counter() - started)


class SafeHeaders:
    """ASGI middleware: headers that every answer carries unless its route set them."""

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
