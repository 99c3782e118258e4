"""``python -m services.api``: serves until SIGTERM or SIGINT, then finishes what is in hand."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
from contextlib import suppress
from socket import socket

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from libs.shared import tracing
from libs.shared.logs import configure, get_logger
from libs.shared.settings import LimitSettings, read_settings
from libs.webhooks.settings import WebhookSettings
from services.api.connections import Connection
from services.api.core import Core
from services.api.main import create_app
from services.api.settings import ApiSettings
from services.api.startup import NotSafe, settle

STARTUP_FAILED = 3
KEEP_ALIVE_SECONDS = 75
"""Longer than proxies and clients keep idle connections, so that they and not we close them."""
COLLECTED_AFTER = 10_000
"""New objects before Python looks for cycles among them. By default it is 700, fewer than some requests under way hold,
and a quarter of the processor time of a hot read goes into looking at them again and again."""


class Server(uvicorn.Server):
    """Ends event streams and long polls when it is told to stop, and takes no more messages."""

    def __init__(self, app: FastAPI, settings: ApiSettings) -> None:
        super().__init__(configuration(app, settings))
        self._app = app

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to serve."""
        self._app.openapi()  # takes hundreds of milliseconds, for which everybody would wait when it is first asked for
        await super().startup(sockets)
        gc.collect()
        gc.freeze()  # what is there by now stays: not to be looked through again
        gc.set_threshold(COLLECTED_AFTER)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop serving."""
        core: Core = self._app.state.core
        core.feed.close()
        core.stop_consuming()  # with the requests, so that they have their grace together
        await super().shutdown(sockets)


def configuration(app: ASGIApp, settings: ApiSettings) -> uvicorn.Config:
    """How the app is served."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        root_path=settings.root_path,
        forwarded_allow_ips=settings.trusted_proxies,
        loop="uvloop",
        lifespan="on",
        http=Connection,
        limit_concurrency=settings.max_connections,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=round(settings.grace_seconds),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


if __name__ == "__main__":
    with read_settings("api"):
        settings, limits, webhooks = ApiSettings(), LimitSettings(), WebhookSettings()
        configure("api", settings)
        try:
            asyncio.run(settle(settings))
        except NotSafe as error:
            get_logger().critical(error.message)
            sys.exit(os.EX_CONFIG)
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # each connection is one
    server = Server(create_app(settings, limits, webhooks), settings)
    with tracing.recording("api", settings), suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILED)
