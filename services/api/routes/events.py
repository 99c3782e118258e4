"""``GET /events``: what happens, as server-sent events."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import anyio
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Send

from libs.shared.logs import get_logger
from services.api.access import SAFE_METHODS
from services.api.answers import Responses
from services.api.dependencies import CoreDependency, ReaderDependency
from services.api.pictures import primed
from services.api.schemas import Id
from services.api.streams import stream

router = APIRouter(tags=["events"])

MEDIA_TYPE = "text/event-stream"
_STREAM: Responses = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "events, for as long as it is read"}
}
SLOW_SECONDS = 10.0
"""How long a client may leave what was sent to it unread."""


class EventStream(StreamingResponse):
    """A stream that is cut off when its client does not read it; the client resumes with its last event's id."""

    async def stream_response(self, send: Send) -> None:
        """Send what there is, each piece in time."""

        async def send_in_time(message: Message) -> None:
            with anyio.fail_after(SLOW_SECONDS):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            get_logger().info("cut off an event stream that was not read")


@router.api_route("/events", methods=SAFE_METHODS, response_class=EventStream, responses=_STREAM)
async def get_events(
    request: Request,
    core: CoreDependency,
    caller: ReaderDependency,
    album_id: Annotated[Id | None, Query(description="the one album to tell of; else all of the caller's")] = None,
    last_event_id: Annotated[str | None, Header(description="the id of the last event that was had")] = None,
) -> Response:
    """What happens from now on, as server-sent events: each `data:` line is one CloudEvent and `id:` its id.

    With `Last-Event-ID` also what happened since, and up to a minute before that one again. An event `reset` says that
    the log has forgotten it: read the state anew.
    """
    # A proxy that buffers would hold events back (nginx: proxy_buffering).
    headers = {"x-accel-buffering": "no"}
    if request.method == "HEAD":
        # It would have to listen for ever to a stream that shows nothing.
        return Response(media_type=MEDIA_TYPE, headers=headers)
    await core.feed.follows()
    content = stream(core, caller, album_id, last_event_id or None, partial(core.access.still_allows, request, caller))
    # The stream listens before its answer begins, so whoever sees the answer misses nothing from then on.
    return EventStream(await primed(content), media_type=MEDIA_TYPE, headers=headers)
