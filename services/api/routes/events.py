"""``GET /events``: what happens, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import StreamingResponse

from services.api.dependencies import CoreDependency, ReaderDependency
from services.api.schemas import Id
from services.api.streams import stream

router = APIRouter(tags=["events"])


@router.get("/events", response_class=StreamingResponse)
async def get_events(
    request: Request,
    core: CoreDependency,
    caller: ReaderDependency,
    album_id: Id | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Each ``data:`` line is one CloudEvent and ``id:`` its id; resumes after ``Last-Event-ID``."""
    # A proxy that buffers would hold events back (nginx: proxy_buffering).
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    await core.feed.follows()
    content = stream(core, caller, album_id, last_event_id, partial(core.access.still_allows, request, caller))
    # The stream listens before its answer begins, so whoever sees the answer misses nothing from then on.
    first = await anext(content)
    return StreamingResponse(_beginning_with(first, content), media_type="text/event-stream", headers=headers)


async def _beginning_with(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for frame in rest:
        yield frame
