"""Reading the event log: what event streams resume from and subscribers catch up from. The catalog writes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial

from libs.shared.events import Envelope, utc_now
from libs.shared.mongo import Collection, Document, patiently

COLLECTION = "events"
BATCH = 500
OVERLAP = timedelta(minutes=1)
"""By so much a transaction may become visible after its time: with its commit tried again for as long as an election
lasts, and at a replica whose clock is a little behind.
"""
BEGINNING = datetime(1970, 1, 1, tzinfo=timezone.utc)
_IN_ORDER = [("at", 1), ("sequence", 1), ("_id", 1)]


@dataclass(frozen=True)
class Entry:
    """One event of the log and where it has to go."""

    envelope: Envelope
    is_public: bool
    is_work: bool


@dataclass(frozen=True)
class Page:
    """A part of the log: the time of its last event, and of each subject in it the highest sequence."""

    until: datetime
    highest: dict[str, int]


def entry(document: Document) -> Entry:
    return Entry(Envelope.model_validate(document["envelope"]), document["is_public"], document["is_work"])


async def time_of(events: Collection, event_id: str, owner: str) -> datetime | None:
    """When an owner's event was recorded; None if the log does not have it (any more)."""
    known = await patiently(lambda: events.find_one({"_id": event_id, "owner": owner}, {"at": 1}))
    return None if known is None else known["at"]


async def since(events: Collection, moment: datetime, owner: str, album_id: str | None) -> AsyncIterator[Entry]:
    """An owner's public events from a moment on, in order per subject; some may have been seen before.

    Transactions become visible a little out of order of their times, so a moment is told again.
    """
    wanted: Document = {"is_public": True, "owner": owner}
    if album_id is not None:
        wanted["album_id"] = album_id
    told: dict[str, datetime] = {}
    read_at = utc_now()
    async for documents in _batches(events, wanted, moment - OVERLAP):
        # Of the time when the part before was read, however long its reader took over it.
        settled, read_at = read_at - OVERLAP, utc_now()
        told = {event_id: at for event_id, at in told.items() if at > settled}
        if told:
            # What was not visible yet when the part of its time was read, before what follows it of its subject.
            late = {**wanted, "at": {"$gt": settled, "$lt": documents[0]["at"]}, "_id": {"$nin": list(told)}}
            documents = await patiently(partial(_in_order, events, late, None)) + documents
        for document in documents:
            yield entry(document)
        told |= {document["_id"]: document["at"] for document in documents}


async def pages(events: Collection, moment: datetime | None) -> AsyncIterator[Page]:
    """Who has had public events from a moment on, or ever: the log in parts, oldest first."""
    fields = {"subject": 1, "sequence": 1, "at": 1}
    async for documents in _batches(events, {"is_public": True}, moment or BEGINNING, fields):
        # Of a subject's events in a part the last one has the highest number.
        yield Page(documents[-1]["at"], {document["subject"]: document["sequence"] for document in documents})


async def of_subjects(events: Collection, wanted: Mapping[str, range]) -> list[Envelope]:
    """The public events with these sequences of these subjects, as far as the log (still) has them."""
    each = [
        {"subject": subject, "sequence": {"$gte": sequences.start, "$lt": sequences.stop}}
        for subject, sequences in wanted.items()
    ]
    documents = await patiently(lambda: events.find({"$or": each}).to_list(None))
    return [entry(document).envelope for document in documents]


async def _batches(
    events: Collection, wanted: Document, moment: datetime, fields: Document | None = None
) -> AsyncIterator[list[Document]]:
    at, sequence, last_id = moment, 0, ""
    while True:
        following = [
            {"at": {"$gt": at}},
            {"at": at, "sequence": {"$gt": sequence}},
            {"at": at, "sequence": sequence, "_id": {"$gt": last_id}},
        ]
        # A query a batch holds no cursor open while a slow client reads.
        documents = await patiently(partial(_in_order, events, {**wanted, "$or": following}, fields))
        if documents:
            yield documents
        if len(documents) < BATCH:
            return
        at, sequence, last_id = (documents[-1][name] for name, _ in _IN_ORDER)


async def _in_order(events: Collection, wanted: Document, fields: Document | None) -> list[Document]:
    return await events.find(wanted, fields).sort(_IN_ORDER).limit(BATCH).batch_size(BATCH).to_list(None)
