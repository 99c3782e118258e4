"""Server-sent events: the event log as a stream that resumes where a client left off."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream

from libs.catalog.albums import Caller
from libs.shared import event_log
from libs.shared.event_log import Entry
from libs.shared.events import utc_now
from services.api.core import Core

HEARTBEAT_SECONDS = 15.0
RETRY_MILLISECONDS = 2000


async def stream(
    core: Core,
    caller: Caller,
    album_id: str | None,
    last_event_id: str | None,
    is_still_allowed: Callable[[], Awaitable[bool]],
) -> AsyncGenerator[str, None]:
    """The caller's public events as text/event-stream (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    Begins with those after ``last_event_id`` if one is given; an id that the log has forgotten gets a ``reset`` event.
    A client that reads too slowly is cut off, and resumes; one whose key was revoked is cut off.
    """
    began = utc_now() - event_log.OVERLAP  # what happened since may be in the log and be heard as news as well
    with core.feed.subscribe(caller.owner, album_id) as news:
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        sent: set[str] = set()
        if last_event_id is not None:
            moment = await event_log.time_of(core.catalog.events, last_event_id, caller.owner)
            if moment is None:
                yield "event: reset\ndata: {}\n\n"
            else:
                async for item in event_log.since(core.catalog.events, moment, caller.owner, album_id):
                    if not await is_still_allowed():
                        return
                    if item.envelope.id != last_event_id:
                        yield _frame(item)
                    if item.envelope.time > began:
                        sent.add(item.envelope.id)
                    await anyio.lowlevel.checkpoint()  # a client that reads fast makes nobody wait for the rest
        async for new in _with_heartbeats(news):
            if not await is_still_allowed():
                return
            if new is None:
                yield ": still here\n\n"
            elif new.envelope.id not in sent:
                yield _frame(new)


async def _with_heartbeats(news: MemoryObjectReceiveStream[Entry]) -> AsyncIterator[Entry | None]:
    while True:
        item = None
        try:
            with anyio.move_on_after(HEARTBEAT_SECONDS):
                item = await news.receive()
        except anyio.EndOfStream:
            return
        yield item


def _frame(item: Entry) -> str:
    return f"id: {item.envelope.id}\ndata: {item.envelope.to_json().decode()}\n\n"
