"""Health, metrics and the published contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from libs.shared.errors import Refusal
from libs.shared.events import EVENTS, schema_path
from libs.shared.metrics import CONTENT_TYPE
from libs.shared.mongo import in_time
from libs.shared.mongo_errors import DriverError
from services.api import contracts
from services.api.access import SAFE_METHODS
from services.api.answers import Responses
from services.api.dependencies import CoreDependency
from services.api.page import WholeFile

router = APIRouter(tags=["operations"])

PING_SECONDS = 2.0
MESSAGES = {
    "up": "ready",
    "down": "the database does not answer",
    "upgrading": "the database is being brought up to date",
}
_EXPOSITION: Responses = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
DOCS = Path(__file__).parents[1] / "docs"


@router.api_route("/livez", methods=SAFE_METHODS)
async def livez() -> dict[str, str]:
    """Whether the process answers; backends do not matter."""
    return {"status": "success", "message": "alive"}


@router.api_route("/readyz", methods=SAFE_METHODS)
async def readyz(core: CoreDependency) -> JSONResponse:
    """Whether requests can be served: the database answers and has this program's version.

    Without the broker uploads are still accepted.
    """
    try:
        with in_time(PING_SECONDS), anyio.fail_after(PING_SECONDS):
            await core.catalog.database.command("ping")
        database = "up" if core.access.opened.is_set() else "upgrading"
    except (DriverError, TimeoutError):
        database = "down"
    checks = {"database": database, "broker": "up" if core.results.is_consuming else "down"}
    is_ready = database == "up"
    body = {
        "status": "success" if is_ready else "fail",
        "message": MESSAGES[database],
        "checks": checks,
        **({} if is_ready else {"code": "unavailable"}),
    }
    return JSONResponse(body, status_code=200 if is_ready else 503)


@router.api_route("/metrics", methods=SAFE_METHODS, response_class=Response, responses=_EXPOSITION)
async def metrics(request: Request, core: CoreDependency) -> Response:
    """Prometheus metrics: of this process, and what it sees of log, images and queues."""
    await request.app.state.vitals.refresh()
    return Response(core.metrics.exposition(), media_type=CONTENT_TYPE)


@router.api_route("/docs", methods=SAFE_METHODS, include_in_schema=False)
async def docs() -> WholeFile:
    """The API's description as a page, from this server's files alone."""
    return WholeFile(DOCS / "index.html")


@router.api_route("/asyncapi.json", methods=SAFE_METHODS)
async def asyncapi(request: Request) -> dict[str, Any]:
    """What is published on the broker, as AsyncAPI 3."""
    return contracts.asyncapi(request.app.version)


@router.api_route("/schemas/{name}/{version}.json", methods=SAFE_METHODS)
async def schema(name: str, version: str) -> dict[str, Any]:
    """The JSON Schema of one event's data."""
    for event in EVENTS:
        if schema_path(event) == f"/schemas/{name}/{version}.json":
            return contracts.event_schema(event)
    raise Refusal("not-found", "there is no such schema")
