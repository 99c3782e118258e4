"""Checks the catalog against the blobs it names and the blobs against the catalog, and repairs what it can.

Four passes, each in the order of ids and in batches; how far it got is kept after each batch, so that a run that was
interrupted goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from libs.catalog import deletions, orphans, repairs
from libs.catalog.catalog import Catalog
from libs.catalog.findings import Count, Finding, Kind, Options, Pass, Report, resumed, save
from libs.catalog.leases import GoOn
from libs.catalog.mending import mend
from libs.catalog.orphans import Batch
from libs.catalog.records import VISIBLE, Image
from libs.catalog.requests import emit_again
from libs.catalog.soundness import Verdict, hash_is_right, judge, promised
from libs.shared.events import Context, utc_now
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.mongo import Document, patiently
from libs.shared.ports import BlobKind

FOLLOWING: dict[Pass, Pass | None] = {"albums": "images", "images": "files", "files": "chunks", "chunks": None}
"""The passes in their order. Images come before files and chunks, so that what a repair brings back is no orphan."""
IMAGES_BATCH = 50
DELETION_GRACE = timedelta(minutes=1)

_KINDS: dict[Verdict, Kind] = {
    "unlisted": "missing-blob",
    "gone": "missing-blob",
    "damaged": "damaged-blob",
    "wrong-hash": "wrong-hash",
}


Tell = Callable[[Finding], None]


async def _always() -> bool:
    return True


async def run(
    catalog: Catalog,
    blobs: GridFsBlobStore,
    name: str,
    options: Options,
    tell: Tell,
    go_on: GoOn = _always,
) -> Report:
    """Check everything, or what an interrupted run of this name and with these options has left.

    Args:
        catalog: the catalog.
        blobs: its blob store.
        name: whose run it is; each name has its own progress.
        options: what to do.
        tell: called with each finding as it is made.
        go_on: asked after each batch; False interrupts the run.
    """
    started = await resumed(catalog, name, options) or Report(started_at=utc_now())
    check = _Check(catalog, blobs, options, started, tell)
    while started.at is not None:
        last = await check.batch(started.at)
        if last is None:
            started.at, last = FOLLOWING[started.at], ""
        started.last = last
        if started.at is None:
            started.finished_at = utc_now()
        if not await go_on():
            break  # how far it got is somebody else's to say now
        await save(catalog, name, options, started)
    return started


class _Check:
    """One run over the catalog."""

    def __init__(self, catalog: Catalog, blobs: GridFsBlobStore, options: Options, report: Report, tell: Tell) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._options = options
        self._report = report
        self._tell = tell
        self._horizon = utc_now() - options.horizon

    async def batch(self, at: Pass) -> str | None:
        """Check the next batch of a pass; the id where it ended, None at the end."""
        after = self._report.last
        if at == "albums":
            return await self._albums(after)
        if at == "images":
            return await self._images(after)
        if at == "files":
            return await self._orphans("files", await orphans.orphan_files(self._catalog, after, self._horizon))
        return await self._orphans("chunks", await orphans.orphan_chunks(self._catalog, after, self._horizon))

    def _found(self, finding: Finding) -> None:
        count = self._report.findings.setdefault(finding.kind, Count())
        count.found += 1
        count.repaired += finding.is_repaired
        count.bytes += finding.bytes
        self._tell(finding)

    def _seen(self, what: str, count: int) -> None:
        self._report.checked[what] = self._report.checked.get(what, 0) + count

    async def _albums(self, after: str) -> str | None:
        wanted = {"_id": {"$gt": after}, "sweep": True}
        albums = await self._next(self._catalog.albums, wanted)
        for album in albums:
            if album["event_at"] > utc_now() - DELETION_GRACE:
                continue
            if self._options.repair:
                await deletions.sweep_album(self._catalog, self._blobs, album["_id"], Context())
            detail = "an album whose images were not all deleted with it"
            self._found(Finding("unfinished-deletion", album["_id"], detail, is_repaired=self._options.repair))
        return albums[-1]["_id"] if albums else None

    async def _images(self, after: str) -> str | None:
        states = {"$or": [{"state": {"$in": [*VISIBLE, "receiving"]}}, {"purge": True}]}
        documents = await self._next(self._catalog.images, {"_id": {"$gt": after}, **states})
        visible = [document for document in documents if document["state"] in VISIBLE]
        for document in documents:
            if document["state"] not in VISIBLE:
                await self._unfinished(document)
        await self._blobs_of(visible)
        self._seen("images", len(documents))
        return documents[-1]["_id"] if documents else None

    async def _next(self, collection: Any, wanted: Document) -> list[Document]:
        # It passes over the records of all that was ever deleted, a million of them in five seconds.
        query = collection.find(wanted).sort("_id").limit(IMAGES_BATCH)
        return await patiently(lambda: query.clone().to_list(None), takes_long=True)

    async def _unfinished(self, document: Document) -> None:
        image_id, is_repaired = document["_id"], self._options.repair
        if document["state"] == "receiving" and document["lease_until"] < self._horizon:
            if is_repaired:
                await repairs.undo_expired_intents(self._catalog, self._blobs)
                is_repaired = await self._catalog.images.find_one({"_id": image_id}, {"_id": 1}) is None
            detail = "an upload that never ended"
            self._found(Finding("unfinished-upload", image_id, detail, is_repaired=is_repaired))
        elif document["state"] == "deleted" and document["event_at"] < utc_now() - DELETION_GRACE:
            if is_repaired:
                await deletions.purge_image(self._catalog, self._blobs, image_id)
            detail = "a deleted image whose bytes may still be there"
            self._found(Finding("unfinished-deletion", image_id, detail, is_repaired=is_repaired))

    async def _blobs_of(self, documents: list[Document]) -> None:
        images = {document["_id"]: image for document in documents if (image := self._read(document))}
        refs = [ref for image in images.values() for ref in promised(image).values()]
        verdicts = await judge(self._catalog, refs)
        for document in documents:
            image = images.get(document["_id"])
            if image is None:
                continue
            of_image: dict[BlobKind, Verdict] = {}
            for kind, ref in promised(image).items():
                of_image[kind] = verdicts[ref.blob_id]
                if self._options.hash and of_image[kind] == "sound" and not await hash_is_right(self._blobs, ref):
                    of_image[kind] = "wrong-hash"
            if any(verdict != "sound" for verdict in of_image.values()):
                await self._wrong(image, of_image)
            else:
                await self._standing_still(image, document.get("check_at"))

    def _read(self, document: Document) -> Image | None:
        try:
            return Image.model_validate(document)
        except ValidationError as error:
            detail = f"{error.error_count()} wrong or missing fields"
            self._found(Finding("unreadable-record", document["_id"], detail))
            return None

    async def _wrong(self, image: Image, verdicts: dict[BlobKind, Verdict]) -> None:
        refs = promised(image)
        bad = {kind: verdict for kind, verdict in verdicts.items() if verdict != "sound"}
        # What was deleted or replaced while we looked is not missing: the record no longer names it.
        unchanged: Document = {"_id": image.id, "generation": image.generation, "state": image.state}
        unchanged |= {f"{kind}.blob_id": refs[kind].blob_id for kind in bad}
        if not await patiently(lambda: self._catalog.images.find_one(unchanged, {"_id": 1})):
            return
        mended = await mend(self._catalog, self._blobs, image, verdicts) if self._options.repair else set()
        for kind, verdict in bad.items():
            detail = f"{kind} {refs[kind].blob_id}: {verdict}"
            self._found(Finding(_KINDS[verdict], image.id, detail, bytes=refs[kind].length, is_repaired=kind in mended))

    async def _standing_still(self, image: Image, check_at: datetime | None) -> None:
        if image.state not in ("queued", "encoded") or (check_at is not None and check_at > self._horizon):
            return
        is_repaired = False
        if check_at is None and self._options.repair:
            is_repaired = await emit_again(self._catalog, image, 0, image.context)
        # One that has a check is the reconciler's: emitting it again here would void what waits in a backlog.
        detail = f"{image.state}, and nobody looks at it" if check_at is None else f"{image.state}, its check overdue"
        self._found(Finding("stuck-image", image.id, detail, is_repaired=is_repaired))

    async def _orphans(self, what: Pass, batch: Batch) -> str | None:
        if self._options.repair and batch.orphans:
            await self._blobs.delete(*(orphan.blob_id for orphan in batch.orphans))
        kind: Kind = "orphan-file" if what == "files" else "orphan-chunks"
        for orphan in batch.orphans:
            self._found(Finding(kind, orphan.blob_id, orphan.reason, orphan.bytes, self._options.repair))
        self._seen(what, batch.seen)
        return batch.last
