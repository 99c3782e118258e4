"""What the event log receives, told to whoever waits in this process: long polls and event streams."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from libs.catalog.catalog import Catalog
from libs.shared import mongo_errors
from libs.shared.errors import Outage
from libs.shared.event_log import Entry, entry
from libs.shared.logs import get_logger
from libs.shared.mongo import Document
from libs.shared.outages import until_outage

SUBSCRIBER_BUFFER = 1000
POLL_SECONDS = 2.0
FOLLOW_SECONDS = 10.0
AGAIN_SECONDS = 1.0


class Watch:
    """Waits for news about one subject."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def tell(self) -> None:
        self._event.set()

    async def wait(self, timeout_seconds: float) -> None:
        """Return when there was news since the last call, or after a while in case it was missed."""
        with anyio.move_on_after(min(timeout_seconds, POLL_SECONDS)):
            await self._event.wait()
        self._event = anyio.Event()


class Feed:
    """One change stream on the event log, fanned out to this process."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._watches: dict[str, set[Watch]] = defaultdict(set)
        self._subscribers: dict[str, dict[MemoryObjectSendStream[Entry], str | None]] = defaultdict(dict)
        """By owner, each with the one album that it is about, if any."""
        self._following = anyio.Event()
        self.is_closed = False

    async def follows(self) -> None:
        """Return once the log is followed, so that nothing recorded from now on is missed.

        Raises:
            Outage: the database does not answer.
        """
        with anyio.move_on_after(FOLLOW_SECONDS):
            return await self._following.wait()
        raise Outage("the event log cannot be followed")

    def close(self) -> None:
        """Let nobody wait any longer: the process is about to end."""
        self.is_closed = True
        self._cut_off_all()
        for watch in [watch for watches in self._watches.values() for watch in watches]:
            watch.tell()

    @contextmanager
    def watch(self, subject: str) -> Iterator[Watch]:
        """Watch a subject; begin before reading its state, so that nothing falls between."""
        watch = Watch()
        self._watches[subject].add(watch)
        try:
            yield watch
        finally:
            self._watches[subject].discard(watch)
            if not self._watches[subject]:
                del self._watches[subject]

    @contextmanager
    def subscribe(self, owner: str, album_id: str | None) -> Iterator[MemoryObjectReceiveStream[Entry]]:
        """An owner's public events from now on, or those of one album. One who reads too slowly is cut off: it ends."""
        send, receive = anyio.create_memory_object_stream[Entry](SUBSCRIBER_BUFFER)
        if self.is_closed:
            send.close()  # a request that was under way when the process was told to end
        else:
            self._subscribers[owner][send] = album_id
        try:
            yield receive
        finally:
            self._cut_off(owner, send)
            receive.close()

    async def run(self) -> None:
        """Follow the log until cancelled; after an outage all who wait look into the database themselves."""
        while True:
            with until_outage("the feed waits"):
                try:
                    async for item in self._changes():
                        self._tell(item)
                except mongo_errors.DriverError as error:  # whatever it is: a log that is made anew is no outage
                    get_logger().warning("the feed lost the database", error=type(error).__name__)
            if self._following.is_set():  # else somebody may wait for it
                self._following = anyio.Event()
            self._cut_off_all()
            await anyio.sleep(AGAIN_SECONDS)

    def _cut_off_all(self) -> None:
        for owner, streams in list(self._subscribers.items()):
            for send in list(streams):
                self._cut_off(owner, send)

    def _cut_off(self, owner: str, send: MemoryObjectSendStream[Entry]) -> None:
        send.close()  # whoever reads it resumes from the log with the last event's id
        streams = self._subscribers.get(owner, {})
        streams.pop(send, None)
        if not streams:
            self._subscribers.pop(owner, None)

    async def _changes(self) -> AsyncIterator[Entry]:
        inserts: list[Document] = [{"$match": {"operationType": "insert"}}, {"$project": {"fullDocument": 1}}]
        async with self._catalog.events.watch(inserts) as stream:
            # The first look opens the stream.
            first = await stream.try_next()
            self._following.set()
            if first is not None:
                yield entry(first["fullDocument"])
            async for change in stream:
                yield entry(change["fullDocument"])

    def _tell(self, item: Entry) -> None:
        for watch in self._watches.get(item.envelope.subject, ()):
            watch.tell()
        owner = item.envelope.owner
        if not item.is_public or owner is None:
            return
        for send, album_id in list(self._subscribers.get(owner, {}).items()):
            if album_id not in (None, item.envelope.data.get("album_id")):
                continue
            try:
                send.send_nowait(item)
            except anyio.WouldBlock:
                get_logger().info("cut off an event stream that fell behind", events=SUBSCRIBER_BUFFER)
                self._cut_off(owner, send)
