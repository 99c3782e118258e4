"""Health and metrics of a process that serves no HTTP of its own: ``/livez``, ``/readyz`` and ``/metrics``.

Served by the standard library from a thread, so that a scrape costs the event loop nothing, and so that a loop that
hangs can be told from a process that is gone.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from libs.shared.logs import get_logger
from libs.shared.metrics import CONTENT_TYPE, Metrics
from libs.shared.settings import RuntimeSettings

LIVE_SECONDS = 2.0
"""How long the event loop may take to answer before the process counts as hanging."""
CLIENT_SECONDS = 5.0

Answer = tuple[HTTPStatus, str, bytes]
Checks = Mapping[str, Callable[[], bool]]


@contextmanager
def serve(settings: RuntimeSettings, metrics: Metrics, checks: Checks) -> Iterator[int | None]:
    """Serve the probes of this process for as long as the context is entered; enter it in the event loop.

    Args:
        settings: ``host``, and ``metrics_port``: None for not at all, 0 for a free one.
        metrics: what ``/metrics`` shows.
        checks: what must be so for ``/readyz`` to say yes, by name.

    Yields:
        The port.

    Raises:
        OSError: nobody can listen there.
    """
    if settings.metrics_port is None:
        yield None
        return
    loop = asyncio.get_running_loop()
    routes: dict[str, Callable[[], Answer]] = {
        "/livez": lambda: _livez(loop),
        "/readyz": lambda: _readyz(checks),
        "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE, metrics.exposition()),
    }
    server = _Server((settings.host, settings.metrics_port), routes)
    threading.Thread(target=server.run, name="album-probes", daemon=True).start()
    get_logger().info("serving health and metrics", port=server.server_port)
    try:
        yield server.server_port
    finally:
        # It takes up to half a second to notice, for which nobody need wait.
        threading.Thread(target=server.shutdown, daemon=True).start()


class _Server(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], routes: Mapping[str, Callable[[], Answer]]) -> None:
        self.routes = routes
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's, which asks a name server what this machine is called.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say it in the log's own form: mostly it is a client that has gone."""
        get_logger().warning("a probe could not be answered", exc_info=True)

    def run(self) -> None:
        with self:
            self.serve_forever()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = CLIENT_SECONDS

    def do_GET(self) -> None:
        """Answer with the route's answer."""
        self.wfile.write(self._begin())

    def do_HEAD(self) -> None:
        """Answer without the body (RFC 9110, 9.3.2), as some load balancers ask."""
        self._begin()

    def _begin(self) -> bytes:
        route = self.server.routes.get(self.path.partition("?")[0], _not_found)
        status, content_type, body = route()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return body

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: probes come every few seconds."""


def _livez(loop: asyncio.AbstractEventLoop) -> Answer:
    answered = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop)
    try:
        answered.result(LIVE_SECONDS)
    except concurrent.futures.TimeoutError:
        return _said(HTTPStatus.SERVICE_UNAVAILABLE, "the event loop hangs")
    return _said(HTTPStatus.OK, "alive")


def _readyz(checks: Checks) -> Answer:
    found = {name: "up" if is_up() else "down" for name, is_up in checks.items()}
    down = [name for name, state in found.items() if state == "down"]
    if down:
        return _said(HTTPStatus.SERVICE_UNAVAILABLE, f"not ready: {', '.join(down)}", checks=found)
    return _said(HTTPStatus.OK, "ready", checks=found)


def _not_found() -> Answer:
    return _said(HTTPStatus.NOT_FOUND, "there is nothing here")


_CODES = {HTTPStatus.SERVICE_UNAVAILABLE: "unavailable", HTTPStatus.NOT_FOUND: "not-found"}


def _said(status: HTTPStatus, message: str, **fields: Any) -> Answer:
    """An answer in the form of all of Album's."""
    body = {"status": "fail", "code": _CODES[status]} if status in _CODES else {"status": "success"}
    return status, "application/json", json.dumps({**body, "message": message, **fields}).encode()
