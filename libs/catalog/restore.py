"""Fills an empty database from a backup, so that a service started on it goes on where the backed-up one was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from collections.abc import Collection as Names
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
from pymongo.errors import BulkWriteError

from libs.catalog import migrations
from libs.catalog.archive import LEFT_OUT, MANIFEST, OF_SUBSCRIBERS, RECORDS, RECORDS_OF, Archive, Totals
from libs.catalog.backup import promised_by, without
from libs.catalog.catalog import Catalog
from libs.catalog.exhaustion import give_up
from libs.catalog.leases import Lease
from libs.catalog.records import VISIBLE, Image
from libs.catalog.requests import emit_again
from libs.catalog.side_by_side import side_by_side
from libs.shared.errors import Refusal
from libs.shared.events import BlobRef, utc_now
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.mongo import Collection, Document, patiently
from libs.shared.mongo_errors import DUPLICATE_KEY

BATCH = 200
CONCURRENCY = 8
LEASE = timedelta(seconds=60)
SOONEST_END = timedelta(days=1)
"""What would have expired meanwhile is kept for so long, for subscribers to read what they have not had."""
_LOG = "events.restored"
"""The event log until all of it is there. Half of one would look to a subscriber as if the rest had never been."""
_DROPPED = (*RECORDS, *LEFT_OUT, _LOG, "fs.files", "fs.chunks")


@dataclass
class Restored(Totals):
    """What a restore brought back. ``requeued`` images were in flight; ``damaged`` blobs could not be restored."""

    requeued: int = 0


Tell = Callable[[str], None]


async def restore(
    catalog: Catalog, blobs: GridFsBlobStore, directory: Path, tell: Tell, *, is_to_drop: bool = False
) -> Restored:
    """Bring everything of a backup into the catalog's database.

    Args:
        catalog: of an empty database.
        blobs: its blob store.
        directory: the backup.
        tell: called with a sentence for each blob that is missing or damaged in the backup, and for each migration.
        is_to_drop: first remove what the database holds, once the backup has proven whole.

    Raises:
        Refusal: ``backup-incomplete``, ``backup-in-use`` while it is written anew, ``database-not-empty``,
            ``database-too-new`` for a backup that a newer program made, or ``database-in-use`` while Album runs on it.
    """
    archive = Archive(directory)
    with archive.kept():
        header = await anyio.to_thread.run_sync(archive.require_whole)
        version = migrations.Version(**header.get("schema", {}))
        migrations.require_usable(version, "this backup")
        alone = _Alone(catalog)
        try:
            await alone.go_on()
            if not is_to_drop and not await migrations.is_empty(catalog):
                raise Refusal("database-not-empty", "the database holds something already; --drop would remove it")
            await migrations.begin_restore(catalog, version)
            for name in _DROPPED:
                await catalog.database.drop_collection(name)
            await catalog.ensure_indexes()
            await blobs.ensure_indexes()
            names = RECORDS_OF[header["version"]]
            restored = await _Restore(catalog, blobs, archive, names, alone, tell).run()
            await migrations.end_restore(catalog)
            return restored
        finally:
            await alone.end()


class _Alone:
    """Holds what an API holds that repairs a database or upgrades it, so that none does while this one is half full."""

    def __init__(self, catalog: Catalog) -> None:
        self._leases = [Lease(catalog, name, LEASE) for name in ("reconciler", migrations.LEASE)]

    async def go_on(self) -> None:
        """Hold it, or go on holding it; to be called now and then.

        Raises:
            Refusal: ``database-in-use``.
        """
        for lease in self._leases:
            if not await lease.go_on():
                raise Refusal(
                    "database-in-use",
                    "an API or another restore works on this database: stop it first, and after a kill wait a minute",
                )

    async def insert(self, collection: Any, documents: list[Document]) -> None:
        """Add documents that nobody else has added.

        Raises:
            Refusal: ``database-in-use``.
        """
        try:
            await collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if all(each["code"] != DUPLICATE_KEY for each in error.details["writeErrors"]):
                raise
            raise Refusal("database-in-use", "something writes to this database: stop all of Album first") from None

    async def end(self) -> None:
        """Let an API begin at once."""
        for lease in self._leases:
            await lease.end()


class _Restore:
    def __init__(
        self,
        catalog: Catalog,
        blobs: GridFsBlobStore,
        archive: Archive,
        names: Names[str],
        alone: _Alone,
        tell: Tell,
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._archive = archive
        self._names = names
        self._alone = alone
        self._tell = tell
        self._restored = Restored()

    async def run(self) -> Restored:
        # Before there is an event that a subscriber could take for a new one.
        await self._as_they_are(*OF_SUBSCRIBERS)
        listed = (line for line in self._archive.documents(MANIFEST) if line["line"] == "blob")
        async for batch in self._batches(listed, CONCURRENCY):
            await side_by_side(partial(self._blob, line) for line in batch)
        async for batch in self._batches(self._archive.documents("images")):
            await self._images(batch)
        async for batch in self._batches(self._archive.documents("albums")):
            await self._albums(batch)
        log = await self._catalog.database.create_collection(_LOG)
        async for batch in self._batches(self._archive.documents("events")):
            await self._events(batch, log)
        await log.rename(self._catalog.events.name, dropTarget=True)
        await self._catalog.ensure_indexes()
        await self._as_they_are("dead_letters", "owners", "keys")
        await migrations.migrate(self._catalog, self._alone.go_on, self._tell)
        await self._set_going()
        return self._restored

    async def _as_they_are(self, *names: str) -> None:
        for name in names:
            if name in self._names:
                async for batch in self._batches(self._archive.documents(name)):
                    await self._insert(name, batch)

    async def _batches(self, documents: Iterator[Document], size: int = BATCH) -> AsyncIterator[list[Document]]:
        while batch := list(islice(documents, size)):
            await self._alone.go_on()
            yield batch

    async def _blob(self, line: Document) -> None:
        ref = BlobRef.model_validate(line)
        try:
            written = await self._blobs.write(
                self._archive.read(ref.blob_id),
                kind=line["kind"],
                content_type=ref.content_type,
                image_id=line["image_id"],
                blob_id=ref.blob_id,
            )
        except FileNotFoundError:
            written = None
        if written != ref:
            await self._blobs.delete(ref.blob_id)
            self._restored.damaged += 1
            self._tell(f"the {line['kind']} of image {line['image_id']} is missing or damaged in the backup")
            return
        self._restored.blobs += 1
        self._restored.bytes += ref.length

    async def _images(self, batch: list[Document]) -> None:
        present = await self._present(batch)
        await self._insert("images", [_resting(document, present) for document in batch])

    async def _present(self, batch: list[Document]) -> set[str]:
        ids = [ref.blob_id for document in batch for ref in promised_by(document).values()]
        files = await patiently(lambda: self._catalog.files.find({"_id": {"$in": ids}}, {"_id": 1}).to_list(None))
        return {file["_id"] for file in files}

    async def _albums(self, batch: list[Document]) -> None:
        for album in batch:
            shown = {"album_id": album["_id"], "state": {"$in": VISIBLE}}
            count = await self._catalog.images.count_documents(shown)
            if album["state"] == "live":
                album["content_count"] = count
            elif count:
                album["sweep"] = True  # it was deleted and swept after its images had been read
        await self._insert("albums", batch)

    async def _events(self, batch: list[Document], log: Collection) -> None:
        """Restore the public events up to what is known of their subjects; what is in flight has been asked for anew.

        An event beyond that was recorded after its subject was read: its number will be given again.
        """
        sequences: dict[str, int] = {}
        subjects = {"_id": {"$in": list({event["subject"] for event in batch})}}
        for collection in (self._catalog.images, self._catalog.albums):
            for subject in await collection.find(subjects, {"sequence": 1}).to_list(None):
                sequences[subject["_id"]] = subject["sequence"]
        told = [
            event for event in batch if event["is_public"] and event["sequence"] <= sequences.get(event["subject"], 0)
        ]
        await self._insert("events", told, log)

    async def _set_going(self) -> None:
        """Queue again what was in flight. Last of all, since events are numbered after those of the backup."""
        after = ""
        while True:
            await self._alone.go_on()
            wanted = {"_id": {"$gt": after}, "state": {"$in": ["queued", "encoded"]}}
            batch = await self._catalog.images.find(wanted).sort("_id").limit(BATCH).to_list(None)
            if not batch:
                return
            after = batch[-1]["_id"]
            for document in batch:
                await self._queue_again(Image.model_validate(document))

    async def _queue_again(self, image: Image) -> None:
        if not image.is_workable:
            message = "its stored bytes are not in the backup, so it cannot be tried again: upload it once more"
            await give_up(self._catalog, image, "api", message, image.attempts, image.context)
        elif await emit_again(self._catalog, image, 0, image.context):
            self._restored.requeued += 1

    async def _insert(self, name: str, documents: list[Document], into: Collection | None = None) -> None:
        soonest = utc_now() + SOONEST_END
        for document in documents:
            if "expire_at" in document:
                document["expire_at"] = max(document["expire_at"], soonest)
        if documents:
            await self._alone.insert(self._catalog.database[name] if into is None else into, documents)
        setattr(self._restored, name, getattr(self._restored, name) + len(documents))


def _resting(document: Document, present: set[str]) -> Document:
    """An image's record that promises only blobs that are there, in the state that they amount to."""
    if document["state"] not in VISIBLE:
        return document
    missing = {kind for kind, ref in promised_by(document).items() if ref.blob_id not in present}
    document = without(document, missing)
    if document["state"] != "failed":
        is_encoded, has_thumbnail = bool(document.get("encoded")), bool(document.get("thumbnail"))
        document["state"] = ("ready" if has_thumbnail else "encoded") if is_encoded else "queued"
    return document
