"""The event log: the outbox that the relay empties, and the record that subscribers catch up from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.catalog.catalog import Catalog
from libs.shared.events import Envelope, utc_now
from libs.shared.mongo import Document, patiently

BATCH = 500
OVERLAP = timedelta(seconds=2)
_IN_ORDER = [("at", 1), ("sequence", 1), ("_id", 1)]


@dataclass(frozen=True)
class Entry:
    """One event of the log and where it has to go."""

    envelope: Envelope
    is_public: bool
    is_work: bool


def entry(document: Document) -> Entry:
    return Entry(Envelope.model_validate(document["envelope"]), document["is_public"], document["is_work"])


async def pending_of(catalog: Catalog, subjects: Iterable[str]) -> list[Entry]:
    """What is not published yet of these subjects, each subject's events in order."""
    return await _pending(catalog, {"pending": True, "subject": {"$in": list(subjects)}})


async def overdue(catalog: Catalog, age: timedelta) -> list[Entry]:
    """What has waited longer than ``age``: whoever recorded it has died, or the broker was away."""
    oldest = {"pending": True, "at": {"$lt": utc_now() - age}}
    late = await catalog.events.find(oldest, {"subject": 1}).sort("at").to_list(BATCH)
    return await pending_of(catalog, {document["subject"] for document in late}) if late else []


async def mark_published(catalog: Catalog, entries: Iterable[Entry]) -> None:
    """Note that these need no publishing any more."""
    ids = [item.envelope.id for item in entries]
    await catalog.events.update_many({"_id": {"$in": ids}}, {"$unset": {"pending": ""}})


async def _pending(catalog: Catalog, wanted: Document) -> list[Entry]:
    documents = await catalog.events.find(wanted).sort([("subject", 1), ("sequence", 1)]).to_list(None)
    return [entry(document) for document in documents]


async def time_of(catalog: Catalog, event_id: str) -> datetime | None:
    """When an event was recorded; None if the log does not have it (any more)."""
    known = await patiently(lambda: catalog.events.find_one({"_id": event_id}, {"at": 1}))
    return None if known is None else known["at"]


async def since(catalog: Catalog, moment: datetime, owner: str, album_id: str | None) -> AsyncIterator[Entry]:
    """An owner's public events from a moment on, in order per subject; some may have been seen before.

    Transactions become visible a little out of order of their times, so a moment is told again.
    """
    wanted: Document = {"is_public": True, "owner": owner}
    if album_id is not None:
        wanted["album_id"] = album_id
    at, sequence, last_id = moment - OVERLAP, 0, ""
    while True:
        wanted["$or"] = [
            {"at": {"$gt": at}},
            {"at": at, "sequence": {"$gt": sequence}},
            {"at": at, "sequence": sequence, "_id": {"$gt": last_id}},
        ]
        # A query a batch holds no cursor open while a slow client reads.
        documents = await patiently(lambda: catalog.events.find(wanted).sort(_IN_ORDER).to_list(BATCH))
        for document in documents:
            yield entry(document)
        if len(documents) < BATCH:
            return
        at, sequence, last_id = (documents[-1][name] for name, _ in _IN_ORDER)
