"""Copies a catalog and its blobs into a directory while the service runs. Why in this order: docs/decisions/0008."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from pydantic import ValidationError

from libs.catalog import migrations
from libs.catalog.archive import MANIFEST, RECORDS, VERSION, Archive, Lines, Totals
from libs.catalog.catalog import Catalog
from libs.catalog.records import VISIBLE, Image
from libs.catalog.side_by_side import side_by_side
from libs.catalog.soundness import promised
from libs.shared.errors import BlobMissing, Refusal
from libs.shared.events import BlobRef, utc_now
from libs.shared.mongo import Document, patiently
from libs.shared.ports import BlobKind, BlobStore

BATCH = 64
CONCURRENCY = 8
PATIENCE = 5
"""How often an image may change while its blobs are copied, before it is taken as it is."""
_PASSING = ("early", "preview", "purge")
"""What a record keeps only while something is under way, and a restore begins anew."""


@dataclass
class Copied(Totals):
    """What a backup holds. ``reused`` blobs were there from an earlier one; what is ``damaged`` is not in it."""

    reused: int = 0


Tell = Callable[[str], None]


async def backup(catalog: Catalog, blobs: BlobStore, directory: Path, tell: Tell) -> Copied:
    """Make the directory hold a backup of everything that was accepted before now.

    What an earlier or interrupted backup left there and still is right is not copied again. Until this one is whole,
    the earlier one stays as it was.

    Args:
        catalog: the catalog.
        blobs: its blob store.
        directory: where to; made if it is not there.
        tell: called with a sentence for each blob that the store has not as its record says, and for each
            image whose record cannot be read.

    Raises:
        Refusal: ``database-empty`` if the directory holds a backup and the database nothing, most likely since the
            wrong one is named; ``half-restored``, before or meanwhile; ``database-restored`` meanwhile; or
            ``backup-in-use``.
    """
    archive = Archive(directory)
    if archive.is_complete and await patiently(lambda: catalog.albums.find_one({}, {"_id": 1})) is None:
        raise Refusal("database-empty", "this database is empty; its backup would replace the one that is there")
    with archive.claimed() as stamp:
        return await _Backup(catalog, blobs, archive, stamp, tell).run()


class _Backup:
    def __init__(self, catalog: Catalog, blobs: BlobStore, archive: Archive, stamp: int, tell: Tell) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._archive = archive
        self._tell = tell
        self._stamp = stamp
        self._slots = anyio.CapacityLimiter(CONCURRENCY)
        self._copied = Copied()

    async def run(self) -> Copied:
        manifest = self._archive.lines(MANIFEST)
        # Before anything is read: what a migration changes meanwhile is changed once more after a restore.
        schema = asdict(await migrations.version_of(self._catalog))
        restore = await self._last_restore()
        manifest.append({"line": "backup", "version": VERSION, "schema": schema, "started_at": utc_now()})
        for name in RECORDS:
            lines = self._archive.lines(name)
            if name == "images":
                await self._images(lines, manifest)
            else:
                await self._records(name, lines)
            setattr(self._copied, name, lines.count)
            manifest.append({"line": "records", "name": name, "count": lines.count, "sha256": lines.close()})
        totals = {"blobs": self._copied.blobs, "bytes": self._copied.bytes, "damaged": self._copied.damaged}
        manifest.append({"line": "end", "finished_at": utc_now(), **totals})
        manifest.close()
        if await self._last_restore() != restore:
            raise Refusal(
                "database-restored",
                "this database was filled from a backup meanwhile, so what was read is of two databases and was "
                "dropped; the backup that was here before stays: begin again",
            )
        await anyio.to_thread.run_sync(self._archive.publish, self._stamp)
        return self._copied

    async def _last_restore(self) -> str | None:
        return await patiently(lambda: migrations.last_restore(self._catalog))

    async def _records(self, name: str, lines: Lines) -> None:
        after: Any = None
        while batch := await self._next(name, after, {}):
            for document in batch:
                lines.append(document)
            after = batch[-1]["_id"]

    async def _images(self, lines: Lines, manifest: Lines) -> None:
        accepted = {"state": {"$in": [*VISIBLE, "deleted"]}}
        after: Any = None
        while batch := await self._next("images", after, accepted):
            after = batch[-1]["_id"]
            batch = [document for document in batch if self._is_readable(document)]
            await side_by_side(partial(self._image, batch, place) for place in range(len(batch)))
            for document in batch:
                lines.append({field: value for field, value in document.items() if field not in _PASSING})
                self._list_blobs(document, manifest)

    def _is_readable(self, document: Document) -> bool:
        try:
            promised_by(document)
        except ValidationError:
            self._tell(
                f"the record of image {document['_id']} cannot be read; neither it nor its blobs are in the backup"
            )
            self._copied.damaged += 1
            return False
        return True

    async def _next(self, name: str, after: Any, wanted: Document) -> list[Document]:
        following = wanted if after is None else {"_id": {"$gt": after}, **wanted}
        collection = self._catalog.database[name]
        return await patiently(lambda: collection.find(following).sort("_id").limit(BATCH).to_list(None))

    async def _image(self, batch: list[Document], place: int) -> None:
        """Copy an image's blobs, and leave in the batch its record as it was when all of them were there."""
        async with self._slots:
            for _ in range(PATIENCE):
                document = batch[place]
                missing = await self._copy(promised_by(document))
                if not missing:
                    return
                wanted = {"_id": document["_id"]}
                current = await patiently(partial(self._catalog.images.find_one, wanted))
                if current is None or promised_by(current) == promised_by(document):
                    break
                batch[place] = current
        for kind in missing:
            self._tell(f"the {kind} of image {document['_id']} is missing or damaged in the store")
        self._copied.damaged += len(missing)
        batch[place] = without(document, missing)

    async def _copy(self, refs: dict[BlobKind, BlobRef]) -> set[BlobKind]:
        """Which of an image's blobs cannot be had, the others being in the archive."""
        missing: set[BlobKind] = set()
        for kind, ref in refs.items():
            if await anyio.to_thread.run_sync(self._archive.holds, ref, self._stamp):
                self._copied.reused += 1
                continue
            try:
                await self._archive.write(ref, self._blobs.read(ref), self._stamp)
            except BlobMissing:
                missing.add(kind)
        return missing

    def _list_blobs(self, document: Document, manifest: Lines) -> None:
        for kind, ref in promised_by(document).items():
            manifest.append({"line": "blob", **ref.model_dump(), "kind": kind, "image_id": document["_id"]})
            self._copied.blobs += 1
            self._copied.bytes += ref.length


def promised_by(document: Document) -> dict[BlobKind, BlobRef]:
    """The blobs that have to be there for an image's record; none for that of a deleted one."""
    return promised(Image.model_validate(document)) if document["state"] in VISIBLE else {}


def without(document: Document, missing: set[BlobKind]) -> Document:
    """An image's record that no longer promises these blobs."""
    kept = {field: value for field, value in document.items() if field not in missing or field == "original"}
    return {**kept, "is_original_kept": False} if "original" in missing else kept
