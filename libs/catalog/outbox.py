"""The outbox: what of the event log still has to be published. `libs.shared.event_log` reads the log itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Literal

from libs.catalog.catalog import Catalog
from libs.shared.event_log import BATCH, Entry, entry
from libs.shared.events import EVENTS, TYPE_PREFIX, utc_now
from libs.shared.mongo import Document

AHEAD = timedelta(minutes=1)
"""Clocks of replicas differ by less, or what they record would be published twice."""
Half = Literal["work", "public"]
"""To whom an event still has to be published: the pipeline, or everybody."""


async def pending_of(catalog: Catalog, half: Half, subjects: Iterable[str]) -> list[Entry]:
    """What is not published yet of these subjects, each subject's events in order."""
    wanted = {"pending": half, "subject": {"$in": list(subjects)}}
    documents = await catalog.events.find(wanted).sort([("subject", 1), ("sequence", 1)]).to_list(None)
    return [entry(document) for document in documents]


async def overdue(catalog: Catalog, half: Half, age: timedelta) -> list[Entry]:
    """What has waited longer than ``age``: whoever recorded it has died, or the broker was away.

    So has what is dated ahead: by a clock that has been put back since.

    Work that this release does not know is left to the one that does: it must not stand before the rest for ever.
    """
    now = utc_now()
    oldest: Document = {"pending": half, "$or": [{"at": {"$lt": now - age}}, {"at": {"$gt": now + AHEAD}}]}
    if half == "work":
        oldest["envelope.type"] = {"$in": [TYPE_PREFIX + event.routing_key for event in EVENTS]}
    late = await catalog.events.find(oldest, {"subject": 1}).sort("at").limit(BATCH).to_list(None)
    return await pending_of(catalog, half, {document["subject"] for document in late}) if late else []


async def count_pending(catalog: Catalog, half: Half, most: int) -> int:
    """How many events are not published yet; counted up to ``most``."""
    return await catalog.events.count_documents({"pending": half}, limit=most)


async def mark_published(catalog: Catalog, halves: Iterable[Half], event_ids: Iterable[str]) -> None:
    """Note that these events need no publishing to these halves any more."""
    await catalog.events.update_many({"_id": {"$in": list(event_ids)}}, {"$pullAll": {"pending": list(halves)}})
