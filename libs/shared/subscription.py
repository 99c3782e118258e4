"""What one subscriber has had of each subject, and how it gets what the queue did not bring.

The queue is the fast way and may lose: the relay lets a refused event go, and a full queue drops its oldest. The log is
complete. A message that is not the next of its subject shows a gap, which is filled from the log; that the last
event of a subject is missing no message shows, so the log is also looked through now and then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

import anyio
from pymongo import ASCENDING, IndexModel, UpdateOne

from libs.shared import event_log, indexes
from libs.shared.errors import ContractBreach, Outage
from libs.shared.events import Envelope, Event, utc_now
from libs.shared.logs import get_logger
from libs.shared.mongo import Database, Document, patiently
from libs.shared.worker import Message

POSITIONS = "positions"
OVERLAP = 2 * event_log.OVERLAP
"""How much of the log is looked through again. More than must be, since nothing is given to a subscriber twice."""
SETTLED = timedelta(minutes=1)
"""From this age on an event that the log does not show is gone, rather than not there yet after an election."""
MARGIN = timedelta(days=1)
"""By which a position outlives the last event of its subject in the log, kept as long by everybody's settings."""
MOST_COUNTED = 10_000
"""How much of the log is looked at to see what a subscriber has not had."""
LATE_AFTER = timedelta(minutes=2)
"""Longer than an event waits for a look through the log: whoever lacks it then does not get on."""


@dataclass(frozen=True)
class Lag:
    """What a subscriber has not had yet.

    Attributes:
        subscriber: its name.
        events: how many events of the log; at most `MOST_COUNTED` from its last look on are examined.
        oldest_seconds: how long ago the oldest of them happened; 0 if there is none.
        is_late: whether that is longer than `LATE_AFTER`.
    """

    subscriber: str
    events: int
    oldest_seconds: float
    is_late: bool


Offer = Callable[[Message], Coroutine[Any, Any, object]]
Handle = Callable[[Sequence[Envelope]], Awaitable[None]]

_OF_LOOKS = {"until": {"$exists": True}}
"""Which documents say how far a subscriber has looked through the log, instead of what it has had of a subject."""


@dataclass
class Recalled:
    """A message that the log brings in place of the queue, for the same loop."""

    body: bytes
    redeliveries: int = 0
    is_done: bool = False

    async def ack(self) -> None:
        """Note that the subscriber has it."""
        self.is_done = True

    async def reject(self, *, requeue: bool) -> None:
        """Leave it to the next look through the log."""


class Subscription:
    """Gives a subscriber every event of every subject in order; see `libs.shared.subscriber.Subscriber.handle`."""

    def __init__(self, name: str, database: Database, handle: Handle, retention: timedelta) -> None:
        """Describe it.

        Args:
            name: the subscriber's.
            database: of the event log; positions are kept beside it.
            handle: returns once the events that it is given are recorded for good.
            retention: how long the event log keeps its events.
        """
        self._name = name
        self._events = database[event_log.COLLECTION]
        self._positions = database[POSITIONS]
        self._handle = handle
        self._retention = retention
        self._waiting: dict[object, Envelope] = {}
        self._turn = anyio.Lock()

    async def begin(self) -> None:
        """Make it known that there is this subscriber, and let positions expire."""
        await indexes.ensure(
            self._positions,
            IndexModel([("expire_at", ASCENDING)], expireAfterSeconds=0),
            IndexModel([("until", ASCENDING)], partialFilterExpression=_OF_LOOKS),
        )
        await self._note_look(event_log.BEGINNING)

    async def take(self, envelope: Envelope, event: Event) -> None:
        """Return once the subscriber has this event and all before it of its subject.

        Whoever gets the turn takes along what waits, so that many events cost one round trip.
        """
        _number(envelope)
        place = object()
        self._waiting[place] = envelope
        try:
            async with self._turn:
                if place in self._waiting:
                    together = dict(self._waiting)
                    await self._give(together.values())
                    for other in together:
                        self._waiting.pop(other, None)
        finally:
            self._waiting.pop(place, None)

    async def catch_up(self, offer: Offer) -> None:
        """Look through the log from where the last look ended, and offer what the subscriber has not had.

        Args:
            offer: carries a message through to its end, as for one from the queue.

        Raises:
            Outage: the database does not answer.
        """
        known = await patiently(lambda: self._positions.find_one({"_id": self._name}))
        # Its own clock may have been put back since the last look.
        begin = min(known["until"], utc_now()) - OVERLAP if known else None
        is_complete = True
        async for page in event_log.pages(self._events, begin):
            had = await self._had(page.highest)
            late = {subject: last for subject, last in page.highest.items() if last > had.get(subject, 0)}
            if late and not await self._offer_last(late, offer):
                is_complete = False
            if is_complete:
                # No further than now: a clock that is ahead must not hide what others record until its time has come.
                await self._note_look(min(page.until, utc_now()))

    async def _offer_last(self, late: dict[str, int], offer: Offer) -> bool:
        """Offer each subject's last event, on which those before it follow; whether all were taken."""
        found = await event_log.of_subjects(self._events, {who: range(last, last + 1) for who, last in late.items()})
        recalled = [Recalled(envelope.to_json()) for envelope in found]
        # What one of them spoilt for those that it was given with, succeeds for these alone.
        for redeliveries in (0, 1):
            async with anyio.create_task_group() as group:
                for message in recalled:
                    if not message.is_done:
                        message.redeliveries = redeliveries
                        group.start_soon(offer, message)
        return all(message.is_done for message in recalled)

    async def _give(self, arrived: Collection[Envelope]) -> None:
        had = await self._had(envelope.subject for envelope in arrived)
        fresh = {
            (envelope.subject, _number(envelope)): envelope
            for envelope in arrived
            if _number(envelope) > had.get(envelope.subject, 0)
        }
        if gaps := _gaps(had, fresh):
            fresh |= await self._from_log(gaps, fresh)
        if fresh:
            # The times of a subject never go back.
            ordered = sorted(fresh.values(), key=lambda envelope: (envelope.time, _number(envelope)))
            await self._handle(ordered)
            await self._note(fresh)

    async def _from_log(
        self, gaps: dict[str, range], fresh: dict[tuple[str, int], Envelope]
    ) -> dict[tuple[str, int], Envelope]:
        """The events of these subjects that the log has.

        Raises:
            Outage: it does not even show what has just arrived: an election is not over.
        """
        found = {
            (envelope.subject, _number(envelope)): envelope
            for envelope in await event_log.of_subjects(self._events, gaps)
        }
        for subject, sequences in gaps.items():
            last = fresh[subject, sequences[-1]]
            # What says that it is of a day to come is not from the log, and would be waited for until then.
            if (subject, sequences[-1]) not in found and abs(utc_now() - last.time) < SETTLED:
                raise Outage("the event log does not show yet what the broker has told")
        get_logger().info("caught up from the event log", subjects=len(gaps), events=len(found.keys() - fresh.keys()))
        return found

    async def _had(self, subjects: Iterable[str]) -> dict[str, int]:
        """The highest sequence that the subscriber has had, of those subjects of which it had any."""
        ids = {self._position(subject): subject for subject in subjects}
        found = await patiently(lambda: self._positions.find({"_id": {"$in": list(ids)}}).to_list(None))
        return {ids[position["_id"]]: position["sequence"] for position in found}

    async def _note(self, had: Iterable[tuple[str, int]]) -> None:
        expire_at = utc_now() + self._retention + MARGIN
        # In ascending order, since of a subject's numbers the highest has to stay.
        highest = dict(sorted(had))
        updates = [
            UpdateOne(
                {"_id": self._position(subject)},
                {"$max": {"sequence": sequence}, "$set": {"expire_at": expire_at}},
                upsert=True,
            )
            for subject, sequence in highest.items()
        ]
        await patiently(lambda: self._positions.bulk_write(updates, ordered=False))

    async def _note_look(self, until: datetime) -> None:
        await patiently(
            lambda: self._positions.update_one({"_id": self._name}, {"$max": {"until": until}}, upsert=True)
        )

    def _position(self, subject: str) -> str:
        return f"{self._name}:{subject}"


async def lags(database: Database) -> list[Lag]:
    """How far behind the event log each subscriber is that ever began, by name."""
    looks = await database[POSITIONS].find(_OF_LOOKS).to_list(None)
    return [await _lag(database, look["_id"], look["until"]) for look in sorted(looks, key=itemgetter("_id"))]


async def _lag(database: Database, name: str, until: datetime) -> Lag:
    """What the log has since the last look through it that was complete, less what the queue has brought meanwhile."""
    had = {"$ifNull": [{"$first": "$position.sequence"}, 0]}
    steps: list[Document] = [
        {"$match": {"is_public": True, "at": {"$gte": until}}},
        {"$sort": {"at": ASCENDING, "sequence": ASCENDING, "_id": ASCENDING}},
        {"$limit": MOST_COUNTED},
        {"$project": {"at": 1, "sequence": 1, "position_id": {"$concat": [f"{name}:", "$subject"]}}},
        {"$lookup": {"from": POSITIONS, "localField": "position_id", "foreignField": "_id", "as": "position"}},
        {"$match": {"$expr": {"$gt": ["$sequence", had]}}},
        {"$group": {"_id": None, "events": {"$sum": 1}, "oldest": {"$min": "$at"}}},
    ]
    found = await database[event_log.COLLECTION].aggregate(steps).to_list(None)
    if not found:
        return Lag(name, 0, 0.0, is_late=False)
    age = max(timedelta(0), utc_now() - found[0]["oldest"])
    return Lag(name, found[0]["events"], age.total_seconds(), age > LATE_AFTER)


def _number(envelope: Envelope) -> int:
    if envelope.sequence is None:
        raise ContractBreach("a public event without a sequence")
    return envelope.sequence


def _gaps(had: dict[str, int], fresh: Iterable[tuple[str, int]]) -> dict[str, range]:
    """Of each subject that did not come without a gap: all from the first that it has not had to the last."""
    came: dict[str, set[int]] = {}
    for subject, sequence in fresh:
        came.setdefault(subject, set()).add(sequence)
    wanted = {subject: range(had.get(subject, 0) + 1, max(sequences) + 1) for subject, sequences in came.items()}
    return {subject: sequences for subject, sequences in wanted.items() if len(came[subject]) < len(sequences)}
