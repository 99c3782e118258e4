"""The composition root of the API: shared by production and tests."""

from __future__ import annotations

import re
import signal
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from libs.catalog import findings, migrations
from libs.catalog.catalog import Catalog
from libs.catalog.images import find_thumbnails
from libs.shared import mongo
from libs.shared.errors import Refusal
from libs.shared.events import Envelope, Event
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.logs import get_logger
from libs.shared.rabbitmq import Consumer, Publisher
from libs.shared.settings import LimitSettings
from libs.shared.topology import DEAD_LETTERS, queue_of, stage_queue
from libs.shared.worker import Worker
from libs.webhooks.registry import Registry
from libs.webhooks.settings import WebhookSettings
from services.api import contracts, dead_letters, problems, progress, reconcile, uploads
from services.api.access import Access
from services.api.answers import FAILS
from services.api.backlog import Backlog
from services.api.bodies import LimitBodies
from services.api.checkup import Checkup
from services.api.core import Core
from services.api.feed import Feed
from services.api.headers import SafeHeaders
from services.api.key_limits import KeyLimits
from services.api.leftovers import Leftovers
from services.api.lookup import SharedLookup
from services.api.metrics import ApiMetrics
from services.api.observing import ObserveRequests, is_probe
from services.api.page import Files, Page
from services.api.quota import Quota
from services.api.relay import Relay
from services.api.room import Room
from services.api.routes import (
    admin,
    albums,
    events,
    images,
    jobs,
    media,
    operations,
    session,
    thumbnails,
    webhooks,
)
from services.api.settings import ApiSettings
from services.api.vitals import Vitals

VERSION = "0.1.0"
DESCRIPTION = """
Takes pictures and gives them back upright, in sRGB and without metadata, with a thumbnail each.

Once there are keys, a request needs `Authorization: Bearer <key>`. Bodies are JSON, but for the upload's form and for
pictures. Every answer in JSON has a `status` and a `message`; one with `"status": "fail"` also has a `code` that stays
the same. 429 and 503 have `Retry-After`: ask again then, an upload best with the same `Idempotency-Key`. Ids are UUIDs,
times are RFC 3339 in UTC, and lists come in pages: give `next` as `after`. A field that is null counts as left out.
"""
DEAD_LETTERS_PREFETCH = 8
SCAN = "scan"
OPENING_SECONDS = 1.0
# Of those that no page of another origin may send or see unless they are named (https://fetch.spec.whatwg.org/).
HEADERS_READ = (
    "authorization",
    "idempotency-key",
    "if-none-match",
    "if-range",
    "last-event-id",
    "range",
    "traceparent",
    "tracestate",  # whatever sends the one sends the other too
    "x-request-id",
)
HEADERS_SENT = ("accept-ranges", "content-disposition", "content-range", "etag", "retry-after", "x-request-id")
DEFAULT_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}


class Application(FastAPI):
    """Describes a GET and the HEAD beside it under two ids, as OpenAPI wants and FastAPI does not."""

    def openapi(self) -> dict[str, Any]:
        """The description of all routes."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Duplicate Operation ID")
            description = super().openapi()
        for methods in description["paths"].values():
            if "head" in methods:
                methods["head"]["operationId"] = methods["get"]["operationId"] + "_head"
        return description


def create_app(settings: ApiSettings, limits: LimitSettings, webhook_settings: WebhookSettings) -> FastAPI:
    """The application; its connections are opened and closed by its lifespan."""
    app = Application(
        title="Album",
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=FAILS,
        generate_unique_id_function=_operation_id,
        lifespan=partial(_lifespan, settings, limits, webhook_settings),
        telemetry={
            "tracing": settings.tracing,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "exclude": is_probe,
        },
    )
    app.state.metrics = ApiMetrics()
    app.add_middleware(problems.LastResort)
    app.add_middleware(LimitBodies, streamed=images.UPLOAD_PATH)
    app.add_middleware(ObserveRequests, metrics=app.state.metrics)
    if settings.named_origins:
        # Pages of other origins send keys, not cookies: credentials stay off.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.named_origins,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=HEADERS_READ,
            expose_headers=HEADERS_SENT,
        )
    app.add_middleware(SafeHeaders, defaults=DEFAULT_HEADERS)
    problems.install(app)
    # In turn until one fits, so what is asked for most comes first.
    media.serve_thumbnails(app)
    for routes in (thumbnails, media, albums, images, jobs, events, session, webhooks, operations, admin):
        app.include_router(routes.router)
    app.mount("/docs/assets", Files(directory=operations.DOCS, packages=[("fastapi_swagger", "resources")]))
    app.router.default = GZipMiddleware(Page(Path(__file__).parent / "web"))
    return app


def _operation_id(route: APIRoute) -> str:
    """FastAPI's own, but of several methods the first; it takes any, so every process would describe other ids."""
    return re.sub(r"\W", "_", f"{route.name}{route.path_format}") + f"_{min(route.methods or ()).lower()}"


@asynccontextmanager
async def _lifespan(
    settings: ApiSettings, limits: LimitSettings, webhook_settings: WebhookSettings, app: FastAPI
) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        client = mongo.connect(settings)
        stack.callback(client.close)
        metrics: ApiMetrics = app.state.metrics
        # A picture may be decoded before any thumbnailer has declared its queue.
        queues = [stage_queue(queue_of(name), part.receives) for name, part in contracts.PIPELINE.items()]
        publisher = Publisher(settings.amqp_url, metrics.count_sent, queues)
        public = Publisher(settings.amqp_url, metrics.count_sent)
        stack.push_async_callback(publisher.close)
        stack.push_async_callback(public.close)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        catalog = Catalog(client, settings)
        core = Core(
            settings=settings,
            limits=limits,
            catalog=catalog,
            webhooks=Registry(catalog.database, webhook_settings),
            blobs=GridFsBlobStore(catalog.database, metrics.count_bytes),
            publisher=publisher,
            relay=Relay(catalog, publisher, public, metrics.events_refused.inc),
            room=Room(catalog.database, settings.min_free_bytes),
            backlog=Backlog(catalog, settings.max_wait_seconds),
            feed=Feed(catalog),
            quota=Quota(catalog, settings.quota_bytes),
            access=Access(catalog, settings),
            key_limits=KeyLimits(settings),
            leftovers=Leftovers(),
            thumbnails=SharedLookup(partial(find_thumbnails, catalog, with_content=True)),
            thumbnail_refs=SharedLookup(partial(find_thumbnails, catalog, with_content=False)),
            tasks=tasks,
            metrics=metrics,
            results=Consumer(
                settings.amqp_url,
                stage_queue(queue_of("api"), progress.CONSUMES),
                prefetch=progress.PREFETCH,
                grace_seconds=settings.grace_seconds,
            ),
            letters=Consumer(
                settings.amqp_url, DEAD_LETTERS, prefetch=DEAD_LETTERS_PREFETCH, grace_seconds=settings.grace_seconds
            ),
        )
        metrics.uploads_in_flight.set_function(lambda: core.uploads_in_flight)
        app.state.core = core
        app.state.vitals = Vitals(core)
        app.state.scan = Checkup(core, SCAN, findings.Options())
        tasks.start_soon(_begin, core)
        stop = _consume(core)
        try:
            # It listens all the same after a while, to tell of its health; usually nobody has to be turned away.
            with anyio.move_on_after(OPENING_SECONDS):
                await core.access.opened.wait()
            yield
        except anyio.get_cancelled_exc_class():
            # A task that should never end has failed. Without it this process would accept what nobody works on.
            signal.raise_signal(signal.SIGTERM)
            raise
        finally:
            await stop()
            # Or the database would be gone under them, and whoever repeats one be told that it is under way.
            await uploads.ended(core)


async def _begin(core: Core) -> None:
    """Let everything begin that looks into the database, as soon as that is there and of this program's version."""
    try:
        await mongo.persistently(partial(migrations.upgrade, core.catalog, get_logger().info))
    except Refusal as refusal:
        # Not known at startup, since the database did not answer then.
        get_logger().critical(refusal.message)
        signal.raise_signal(signal.SIGTERM)
        return
    core.access.opened.set()
    for background in (core.feed.run, core.relay.run, core.leftovers.run, partial(reconcile.run, core)):
        core.tasks.start_soon(background)
    await mongo.persistently(core.catalog.ensure_indexes)
    await mongo.persistently(core.blobs.ensure_indexes)
    await mongo.persistently(core.webhooks.ensure_indexes)


def _consume(core: Core) -> Callable[[], Awaitable[None]]:
    """Start the API's two consumers; returns what stops them, giving back what is in hand."""

    async def handle(envelope: Envelope, event: Event) -> None:
        await core.access.opened.wait()
        await progress.apply(core, event, envelope.context)

    worker = Worker("api", progress.CONSUMES, handle)
    done = anyio.Event()

    async def run() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(core.results.run, core.metrics.measured(queue_of("api"), worker.handle_message))
            bury = core.metrics.measured(DEAD_LETTERS.name, partial(dead_letters.bury, core))
            group.start_soon(core.letters.run, bury)
        done.set()

    async def stop() -> None:
        core.stop_consuming()
        with anyio.move_on_after(core.settings.grace_seconds):
            await done.wait()

    core.tasks.start_soon(run)
    return stop
