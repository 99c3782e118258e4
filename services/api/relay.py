"""Publishes the event log: at once what this replica recorded, a little later what any replica left behind."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial

import anyio
from cachetools import LRUCache

from libs.catalog import outbox
from libs.catalog.catalog import Catalog
from libs.shared.errors import ContractBreach, Outage
from libs.shared.event_log import Entry
from libs.shared.events import work_envelope
from libs.shared.logs import get_logger
from libs.shared.outages import until_outage
from libs.shared.rabbitmq import NotTaken, Publisher
from libs.shared.topology import EVENTS_EXCHANGE, WORK_EXCHANGE
from services.api.marks import Marks

OVERDUE = timedelta(seconds=1)
PUBLIC_TRIES = 3
REFUSING_SECONDS = 30.0
"""For so long after an event was let go others are tried only once."""
CONCURRENCY = 16
MOST_NEW = 10_000
"""Events that wait here for their turn, while a broker that answers nothing holds up those before them. What comes
beyond is found in the log once it is overdue.
"""
REMEMBERED = 10_000
"""Subjects whose last published event is known, so that the next one needs no look into the log."""


Publish = Callable[[Entry], Awaitable[None]]


class Relay:
    """Moves events from the log to the broker, each subject's in order.

    On a connection for the pipeline and one for everybody, neither waiting for the other: a subscriber's queue that
    does not answer holds up all confirms on its connection.
    """

    def __init__(self, catalog: Catalog, work: Publisher, public: Publisher, on_refused: Callable[[], None]) -> None:
        """Describe it; ``on_refused`` is called for each public event that some subscriber's queue did not take."""
        self._marks = Marks(catalog)
        self._work = _Half(catalog, "work", partial(_publish_work, work), self._marks)
        self._public = _Half(catalog, "public", _Public(public, on_refused).publish, self._marks)
        catalog.on_recorded = self._take

    def _take(self, entry: Entry) -> None:
        if entry.is_work:
            self._work.take(entry)
        if entry.is_public:
            self._public.take(entry)

    async def run(self) -> None:
        """Publish until cancelled, waiting out outages of database and broker."""
        async with anyio.create_task_group() as group:
            for part in (self._work, self._public, self._marks):
                group.start_soon(part.run)


class _Half:
    def __init__(self, catalog: Catalog, half: outbox.Half, publish: Publish, marks: Marks) -> None:
        self._catalog = catalog
        self._half = half
        self._publish = publish
        self._marks = marks
        self._new: list[Entry] = []
        self._published: LRUCache[str, int] = LRUCache(REMEMBERED)
        self._wake = anyio.Event()
        self._slots = anyio.CapacityLimiter(CONCURRENCY)

    def take(self, entry: Entry) -> None:
        if len(self._new) < MOST_NEW:
            self._new.append(entry)
            self._wake.set()

    async def run(self) -> None:
        next_look = anyio.current_time()
        while True:
            with anyio.move_on_after(max(0.0, next_look - anyio.current_time())):
                await self._wake.wait()
            self._wake = anyio.Event()
            new, self._new = self._new, []
            with until_outage("the relay waits", half=self._half):
                await self._publish_all(await self._with_predecessors(_by_subject(new)))
                # Not only when there is nothing new: under load there always is.
                if anyio.current_time() >= next_look:
                    next_look = anyio.current_time() + OVERDUE.total_seconds()
                    await self._publish_all(_by_subject(await outbox.overdue(self._catalog, self._half, OVERDUE)))

    async def _with_predecessors(self, by_subject: dict[str, list[Entry]]) -> dict[str, list[Entry]]:
        """The same events; where one before them may be unpublished, another replica's, what the log says instead."""
        unsure = {subject for subject, entries in by_subject.items() if not self._follow(subject, entries)}
        if not unsure:
            return by_subject
        return by_subject | _by_subject(await outbox.pending_of(self._catalog, self._half, unsure))

    def _follow(self, subject: str, entries: list[Entry]) -> bool:
        first = self._published.get(subject, 0) + 1
        sequences = [entry.envelope.sequence for entry in entries if entry.envelope.sequence is not None]
        return sequences == list(range(first, first + len(sequences)))

    async def _publish_all(self, by_subject: dict[str, list[Entry]]) -> None:
        async with anyio.create_task_group() as group:
            for ordered in by_subject.values():
                group.start_soon(self._publish_in_order, ordered)

    async def _publish_in_order(self, ordered: list[Entry]) -> None:
        async with self._slots:
            for entry in ordered:
                if self._marks.has(self._half, entry):
                    continue  # the log has not heard of it yet
                try:
                    await self._publish(entry)
                except Outage:
                    return  # the rest of this subject waits with it, or its order would be lost
                except ContractBreach:
                    get_logger().warning(
                        "the relay leaves an event to the release that knows it", event_type=entry.envelope.type
                    )
                    return
                self._marks.add(self._half, entry)
                if entry.envelope.sequence is not None:
                    self._published[entry.envelope.subject] = entry.envelope.sequence


def _by_subject(entries: list[Entry]) -> dict[str, list[Entry]]:
    by_subject: dict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.envelope.sequence or 0):
        by_subject[entry.envelope.subject].append(entry)
    return by_subject


async def _publish_work(publisher: Publisher, entry: Entry) -> None:
    work = entry.envelope
    if entry.is_public:
        work = work_envelope(work.event(), "api", work.context)
    await publisher.publish(WORK_EXCHANGE, work, mandatory=True)


class _Public:
    def __init__(self, publisher: Publisher, on_refused: Callable[[], None]) -> None:
        self._publisher = publisher
        self._on_refused = on_refused
        self._refused_at = -math.inf

    async def publish(self, entry: Entry) -> None:
        # Each try brings the event to all other queues again, and a queue that has refused will go on to.
        is_news = anyio.current_time() - self._refused_at > REFUSING_SECONDS
        for _ in range(PUBLIC_TRIES if is_news else 1):
            with suppress(NotTaken):
                return await self._publisher.publish(EVENTS_EXCHANGE, entry.envelope, mandatory=False)
        # Some subscriber's queue is full. It can catch up from the log.
        self._on_refused()
        if is_news:
            self._refused_at = anyio.current_time()
            get_logger().warning("a subscriber's queue refuses events", event_id=entry.envelope.id)
