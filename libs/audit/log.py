"""The audit log in MongoDB: appended to by one chain of hashes, whoever writes, and read by position."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import anyio
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import BulkWriteError

from libs.audit.entries import GENESIS, HASH, Anchor, Entry, Fact, chained
from libs.shared import indexes
from libs.shared.mongo import Database, Document
from libs.shared.mongo_errors import DUPLICATE_KEY

BATCH = 1000
_CROWDED_SECONDS = 0.05


@dataclass(frozen=True)
class Selection:
    """Which entries to read; times are RFC 3339 in UTC with milliseconds, from ``since`` to before ``until``."""

    album_id: str | None = None
    since: str | None = None
    until: str | None = None
    after: int = 0

    def query(self) -> Document:
        # Without a bound unless one is asked for: a position of another type than a number must be seen, too.
        wanted: Document = {"_id": {"$gt": self.after}} if self.after else {}
        if self.album_id is not None:
            wanted["album_id"] = self.album_id
        moments = {"$gte": self.since, "$lt": self.until}
        if time := {bound: moment for bound, moment in moments.items() if moment is not None}:
            wanted["time"] = time
        return wanted


class AuditLog:
    """Append-only: an entry's position is its ``_id``, so no two can have the same, and no event is recorded twice."""

    def __init__(self, database: Database) -> None:
        self._entries = database["audit"]

    async def ensure_indexes(self) -> None:
        """Make an index for every query, and for what must be unique."""
        await indexes.ensure(
            self._entries,
            IndexModel([("event_id", ASCENDING)], unique=True),
            IndexModel([("album_id", ASCENDING), ("_id", ASCENDING)]),
            IndexModel([("time", ASCENDING)]),
        )

    async def append(self, facts: Sequence[Fact]) -> None:
        """Record what is not recorded yet; when this returns, all of it is durable.

        Safe to repeat, and beside another writer: whoever finds his position taken begins again after the new head.
        """
        while fresh := await self._not_recorded(facts):
            # The head that a majority has: one that an election could undo must not be built on.
            entries = [_stored(entry) for entry in chained(await self.head(), fresh)]
            try:
                # In order, so that nothing follows an entry that could not be written.
                await self._entries.insert_many(entries, ordered=True)
            except BulkWriteError as error:
                if any(each["code"] != DUPLICATE_KEY for each in error.details["writeErrors"]):
                    raise
                await anyio.sleep(random.uniform(0, _CROWDED_SECONDS))
            else:
                return

    async def head(self) -> Anchor:
        """The last entry's place."""
        last = await self._entries.find_one({}, {HASH: 1}, sort=[("_id", DESCENDING)])
        return GENESIS if last is None else Anchor(last["_id"], last[HASH])

    async def read(self, selection: Selection = Selection()) -> AsyncIterator[Entry]:
        """The selected entries in order of position."""
        async for document in self._entries.find(selection.query(), batch_size=BATCH).sort("_id"):
            yield _read(document)

    async def tail(self, count: int) -> list[Entry]:
        """The last entries, in order of position."""
        found = await self._entries.find(sort=[("_id", DESCENDING)], limit=count).to_list(None)
        return [_read(document) for document in reversed(found)]

    async def _not_recorded(self, facts: Sequence[Fact]) -> list[Fact]:
        ids = [fact.event_id for fact in facts]
        found = await self._entries.find({"event_id": {"$in": ids}}, {"event_id": 1}).to_list(None)
        known = {document["event_id"] for document in found}
        return [fact for fact in facts if fact.event_id not in known]


def _stored(entry: Entry) -> Document:
    return {"_id": entry["position"], **{name: value for name, value in entry.items() if name != "position"}}


def _read(document: Document) -> Entry:
    return {"position": document["_id"], **{name: value for name, value in document.items() if name != "_id"}}
