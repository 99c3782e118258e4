"""Publishes the event log: at once what this replica recorded, a little later what any replica left behind."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import timedelta

import anyio

from libs.catalog import log
from libs.catalog.catalog import Catalog
from libs.shared import mongo
from libs.shared.errors import Outage
from libs.shared.event_log import Entry
from libs.shared.events import work_envelope
from libs.shared.logs import get_logger
from libs.shared.mongo import CLEANUP_SECONDS
from libs.shared.outages import outage_of
from libs.shared.rabbitmq import Publisher
from libs.shared.topology import EVENTS_EXCHANGE, WORK_EXCHANGE

OVERDUE = timedelta(seconds=1)
PUBLIC_TRIES = 3
REFUSING_SECONDS = 30.0
"""For so long after an event was let go others are tried only once."""
CONCURRENCY = 16


Publish = Callable[[Entry], Awaitable[None]]


class Relay:
    """Moves events from the log to the broker, each subject's in order.

    On a connection for the pipeline and one for everybody, neither waiting for the other: a subscriber's queue that
    does not answer holds up all confirms on its connection.
    """

    def __init__(self, catalog: Catalog, work: Publisher, public: Publisher, on_refused: Callable[[], None]) -> None:
        """Describe it; ``on_refused`` is called for each public event that some subscriber's queue did not take."""
        self._halves = (
            _Half(catalog, "work", _Work(work).publish),
            _Half(catalog, "public", _Public(public, on_refused).publish),
        )

    def notify(self, subject: str) -> None:
        """Say that the log has something new about ``subject``."""
        for half in self._halves:
            half.notify(subject)

    async def run(self) -> None:
        """Publish until cancelled, waiting out outages of database and broker."""
        async with anyio.create_task_group() as group:
            for half in self._halves:
                group.start_soon(half.run)


class _Half:
    def __init__(self, catalog: Catalog, half: log.Half, publish: Publish) -> None:
        self._catalog = catalog
        self._half = half
        self._publish = publish
        self._subjects: set[str] = set()
        self._wake = anyio.Event()
        self._slots = anyio.CapacityLimiter(CONCURRENCY)

    def notify(self, subject: str) -> None:
        self._subjects.add(subject)
        self._wake.set()

    async def run(self) -> None:
        next_look = anyio.current_time()
        while True:
            with anyio.move_on_after(max(0.0, next_look - anyio.current_time())):
                await self._wake.wait()
            self._wake = anyio.Event()
            subjects, self._subjects = self._subjects, set()
            try:
                if subjects:
                    await self._publish_all(await log.pending_of(self._catalog, self._half, subjects))
                # Not only when there is nothing new: under load there always is.
                if anyio.current_time() >= next_look:
                    next_look = anyio.current_time() + OVERDUE.total_seconds()
                    await self._publish_all(await log.overdue(self._catalog, self._half, OVERDUE))
            except (Outage, mongo.DriverError) as error:
                if outage_of(error) is None:
                    raise
                get_logger().warning("the relay waits", half=self._half, error=type(error).__name__)

    async def _publish_all(self, entries: list[Entry]) -> None:
        by_subject: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            by_subject[entry.envelope.subject].append(entry)
        done: list[Entry] = []
        try:
            async with anyio.create_task_group() as group:
                for ordered in by_subject.values():
                    group.start_soon(self._publish_in_order, ordered, done)
        finally:
            # At a stop, too: what is not marked is published a second time by another replica.
            with anyio.move_on_after(CLEANUP_SECONDS, shield=True):
                if done:
                    await log.mark_published(self._catalog, self._half, done)

    async def _publish_in_order(self, ordered: list[Entry], done: list[Entry]) -> None:
        async with self._slots:
            for entry in ordered:
                try:
                    await self._publish(entry)
                except Outage:
                    return  # the rest of this subject waits with it, or its order would be lost
                done.append(entry)


class _Work:
    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def publish(self, entry: Entry) -> None:
        work = entry.envelope
        if entry.is_public:
            work = work_envelope(work.event(), "api", work.context)
        await self._publisher.publish(WORK_EXCHANGE, work, mandatory=True)


class _Public:
    def __init__(self, publisher: Publisher, on_refused: Callable[[], None]) -> None:
        self._publisher = publisher
        self._on_refused = on_refused
        self._refused_at = -math.inf

    async def publish(self, entry: Entry) -> None:
        # Each try brings the event to all other queues again, and a queue that has refused will go on to.
        is_news = anyio.current_time() - self._refused_at > REFUSING_SECONDS
        for _ in range(PUBLIC_TRIES if is_news else 1):
            try:
                return await self._publisher.publish(EVENTS_EXCHANGE, entry.envelope, mandatory=False)
            except Outage:
                if not self._publisher.is_connected:
                    raise
        # Connected and refused: some subscriber's queue is full. It can catch up from the log.
        self._on_refused()
        if is_news:
            self._refused_at = anyio.current_time()
            get_logger().warning("a subscriber's queue refuses events", event_id=entry.envelope.id)
