"""Middleware around every request: its id, its duration, its line in the log. FastAPI itself makes its span."""

from __future__ import annotations

import re
import time
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from libs.shared import tracing
from libs.shared.logs import get_logger
from services.api.metrics import ApiMetrics

PROBES = ("/livez", "/readyz", "/metrics")
"""Asked every few seconds by machines: worth no span, and no line of the log unless it is verbose."""
CLIENT_GONE = 499
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class ObserveRequests:
    """ASGI middleware; ``x-request-id`` is on every answer, the caller's own if it is plain enough."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and observe it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        status, started = CLIENT_GONE, time.perf_counter()

        async def note_answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = (b"x-request-id", request_id.encode())
                message = {**message, "headers": [*message.get("headers", ()), named]}
            await send(message)

        traceparent = headers.get(b"traceparent", b"").decode("latin-1")
        bind_contextvars(request_id=request_id)  # each request has a task, and with it a context, of its own
        with tracing.adopted(traceparent):
            try:
                await self._app(scope, receive, note_answer)
            finally:
                self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's template, not the path: ids must not become label values.
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "_OTHER"
        self._metrics.requests.labels(method, route, str(status)).observe(seconds)
        log = get_logger().debug if route in PROBES else get_logger().info
        log("request", method=method, route=route, status=status, duration_seconds=round(seconds, 6))


def _request_id(given: bytes | None) -> str:
    return given.decode() if given is not None and _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def is_probe(scope: Scope) -> bool:
    """Whether a request asks for health or metrics."""
    return bool(scope["type"] == "http" and scope["path"].endswith(PROBES))
