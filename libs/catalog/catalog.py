"""The catalog's collections, their indexes, and the one way to write them: a change and its event together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from weakref import WeakValueDictionary

import anyio
from pymongo import ASCENDING, DESCENDING, IndexModel

from libs.catalog.settings import CatalogSettings
from libs.shared import event_log, indexes, mongo
from libs.shared.event_log import Entry
from libs.shared.events import Context, Envelope, Event, public_envelope, utc_now, work_envelope
from libs.shared.mongo import Client, Document, Transaction

Result = TypeVar("Result")

MOST_STEPS = 100
"""How many steps a timeline keeps, the last ones: it is read with its image, and a client may retry without end."""
_STORED = ("owner", "state", "is_original_kept", "original.length", "encoded.length")


class Catalog:
    """The albums, images and events of one database."""

    def __init__(self, client: Client, settings: CatalogSettings) -> None:
        """Look at the database that the settings name.

        Attributes:
            check_after: how long an accepted image may stand still before the reconciler looks at it.
            upload_lease: how long an intent, or the hold on an idempotency key, outlives the last sign of its upload.
            tombstone_retention: how long the record of a deleted image is kept; None for good.
        """
        self._client = client
        self.check_after = timedelta(seconds=settings.check_after_seconds)
        self.upload_lease = timedelta(seconds=settings.upload_lease_seconds)
        kept = settings.deleted_retention_days
        self.tombstone_retention = None if kept is None else timedelta(days=kept)
        self._event_retention = timedelta(days=settings.event_retention_days)
        self._base_url = settings.base_url
        self.database = client[settings.database]
        self.albums = self.database["albums"]
        self.images = self.database["images"]
        self.events = self.database[event_log.COLLECTION]
        self.idempotency = self.database["idempotency"]
        self.leases = self.database["leases"]
        self.schema = self.database["schema"]
        self.dead_letters = self.database["dead_letters"]
        self.fsck = self.database["fsck"]
        self.keys = self.database["keys"]
        self.owners = self.database["owners"]
        self.sessions = self.database["sessions"]
        self.files = self.database["fs.files"]
        self.chunks = self.database["fs.chunks"]
        self.on_recorded: Callable[[Entry], None] = lambda entry: None
        """Told of every event that this process has recorded, once it is committed."""
        self._turns: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    async def ensure_indexes(self) -> None:
        """Make an index for every query that the catalog asks."""
        await indexes.ensure(
            self.albums,
            # With the state, as below: ids of deleted albums stay taken, so their records are never gone.
            IndexModel([("owner", ASCENDING), ("state", ASCENDING), ("create_date", DESCENDING), ("_id", DESCENDING)]),
            IndexModel([("sweep", ASCENDING)], partialFilterExpression={"sweep": True}),
        )
        await indexes.ensure(
            self.images,
            # With the state, or whatever lists or sweeps an album would pass over all that was ever deleted in it.
            IndexModel([("album_id", ASCENDING), ("state", ASCENDING), ("order", ASCENDING)]),
            IndexModel(
                [("state", ASCENDING), ("check_at", ASCENDING)],
                partialFilterExpression={"check_at": {"$exists": True}},
            ),
            IndexModel([("lease_until", ASCENDING)], partialFilterExpression={"state": "receiving"}),
            IndexModel([("purge", ASCENDING)], partialFilterExpression={"purge": True}),
            IndexModel([("blob_id", ASCENDING)], partialFilterExpression={"state": "receiving"}),
            IndexModel([("checks", ASCENDING)], partialFilterExpression={"checks": {"$gte": 1}}),
            IndexModel(
                [("state", ASCENDING), ("code", ASCENDING), ("create_date", DESCENDING)],
                partialFilterExpression={"state": "failed"},
            ),
            # All that is asked, or each look for uploads to drop would pass over all that were dropped before.
            IndexModel(
                [("encoded", ASCENDING), ("is_original_kept", ASCENDING), ("event_at", ASCENDING)],
                partialFilterExpression={"state": "failed"},
            ),
            IndexModel([("expire_at", ASCENDING)], expireAfterSeconds=0),
            # All that `usage.stored_bytes` adds up, so that it need not look at the images.
            IndexModel([(field, ASCENDING) for field in _STORED]),
        )
        await indexes.ensure(
            self.events,
            IndexModel([("pending", ASCENDING), ("at", ASCENDING)], partialFilterExpression={"pending": {"$gt": ""}}),
            IndexModel([("subject", ASCENDING), ("sequence", ASCENDING)]),
            IndexModel([("at", ASCENDING), ("sequence", ASCENDING), ("_id", ASCENDING)]),
            # With the album last, or one album's stream that resumes would have all of its owner's events read.
            IndexModel(
                [(field, ASCENDING) for field in ("owner", "at", "sequence", "_id", "album_id")],
                partialFilterExpression={"is_public": True},
            ),
            IndexModel([("expire_at", ASCENDING)], expireAfterSeconds=0),
        )
        await indexes.ensure(self.idempotency, IndexModel([("expire_at", ASCENDING)], expireAfterSeconds=0))
        await indexes.ensure(self.sessions, IndexModel([("expire_date", ASCENDING)], expireAfterSeconds=0))
        await indexes.ensure(self.files, IndexModel([("metadata.image_id", ASCENDING)]))
        await indexes.ensure(
            self.dead_letters,
            IndexModel([("at", DESCENDING), ("_id", DESCENDING)]),
            IndexModel([("stage", ASCENDING), ("code", ASCENDING)]),
            IndexModel([("code", ASCENDING)]),
            IndexModel([("image_id", ASCENDING)]),
        )

    async def transact(self, work: Callable[[Transaction], Result]) -> Result:
        """Run ``work`` in one transaction; see `libs.shared.mongo.transact`."""
        return await mongo.transact(self._client, work)

    @asynccontextmanager
    async def turn(self, album_id: str) -> AsyncIterator[None]:
        """What transactions that write an album hold, so that those of this process do not conflict and start over.

        Measured with 16 uploads at once into one album: without it four of five transactions are aborted.
        """
        with mongo.in_time():  # the wait included: whoever has the turn may be waiting for a database that is away
            async with self._turns.setdefault(album_id, anyio.Lock()):
                yield

    def record(
        self, transaction: Transaction, event: Event, subject: Document, service: str, context: Context
    ) -> Envelope:
        """Append a public event to the log, as part of the transaction that changed its subject.

        Args:
            transaction: which one.
            event: what happened.
            subject: the album's or image's document after the change, which incremented ``sequence`` and raised
                ``event_at``, so that a subject's events are numbered without gaps and their times never go back.
            service: who emitted it.
            context: what it continues; whose the subject is, and of which album, the catalog knows better than any
                message.
        """
        context = context.model_copy(update={"owner": subject["owner"]})
        if "album_id" in subject:
            event = event.model_copy(update={"album_id": subject["album_id"]})
        envelope = public_envelope(event, subject["sequence"], subject["event_at"], service, context, self._base_url)
        self._append(transaction, envelope, event, is_public=True)
        return envelope

    def request(self, transaction: Transaction, event: Event, context: Context) -> None:
        """Append an event for the pipeline alone, as part of the transaction that wants the work done."""
        self._append(transaction, work_envelope(event, "api", context), event, is_public=False)

    def _append(self, transaction: Transaction, envelope: Envelope, event: Event, *, is_public: bool) -> None:
        now = utc_now()
        transaction.insert(
            self.events,
            {
                "_id": envelope.id,
                "subject": envelope.subject,
                "sequence": envelope.sequence,
                "album_id": envelope.data["album_id"],
                "owner": envelope.owner,
                "at": envelope.time,
                "is_public": is_public,
                "is_work": event.is_work,
                "pending": [*(["work"] if event.is_work else []), *(["public"] if is_public else [])],
                "expire_at": now + self._event_retention,
                "envelope": envelope.model_dump(mode="json", exclude_none=True),
            },
        )
        transaction.hooks.append(partial(self.on_recorded, Entry(envelope, is_public, event.is_work)))


def numbered(changes: Document) -> Document:
    """An update that also numbers the public event which tells of it; see `Catalog.record`."""
    return {
        **changes,
        "$inc": {**changes.get("$inc", {}), "sequence": 1},
        "$max": {**changes.get("$max", {}), "event_at": utc_now()},
    }


def step(event: str, at: datetime) -> Document:
    """What an update pushes to add a step to an image's timeline."""
    return {"timeline": {"$each": [{"event": event, "at": at}], "$slice": -MOST_STEPS}}
