"""The check of records against bytes and bytes against records, on the real database."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from libs.catalog import fsck
from libs.catalog.catalog import Catalog
from libs.catalog.deletions import delete_image, purge_image
from libs.catalog.findings import Finding, Options
from libs.catalog.mending import mend
from libs.catalog.progress import accept_encoded
from libs.catalog.requests import retry
from libs.catalog.settings import CatalogSettings
from libs.catalog.uploads import Intent, begin
from libs.shared.errors import Refusal
from libs.shared.events import BlobRef, Context, utc_now
from libs.shared.mongo import Document
from tests.support.shelf import CALLER, CONTENT, Shelf, stream

pytestmark = pytest.mark.anyio
LONG_AGO = timedelta(hours=2)


def ref(blob: BlobRef | None) -> BlobRef:
    assert blob is not None
    return blob


def kinds(findings: list[Finding]) -> list[tuple[str, bool]]:
    return [(finding.kind, finding.is_repaired) for finding in findings]


async def drop_chunk(shelf: Shelf, blob: BlobRef | None) -> None:
    gone = await shelf.catalog.chunks.delete_one({"files_id": ref(blob).blob_id, "n": 1})
    assert gone.deleted_count


async def loose_chunks(shelf: Shelf, made: datetime) -> str:
    blob_id = str(uuid.uuid4())
    # The first four bytes of an ObjectId are its time in seconds.
    chunk_id = ObjectId(int(made.timestamp()).to_bytes(4, "big") + secrets.token_bytes(8))
    await shelf.catalog.chunks.insert_one({"_id": chunk_id, "files_id": blob_id, "n": 0, "data": b"loose"})
    return blob_id


async def has_bytes(shelf: Shelf, blob_id: str) -> bool:
    record = await shelf.catalog.files.find_one({"_id": blob_id})
    return record is not None or await shelf.catalog.chunks.find_one({"files_id": blob_id}) is not None


async def test_where_everything_belongs_together_nothing_is_found(shelf: Shelf) -> None:
    for image in (await shelf.queued(), await shelf.encoded(), await shelf.ready(), await shelf.ready()):
        deleted = image
    await delete_image(shelf.catalog, CALLER, shelf.album_id, deleted.id, Context())
    await purge_image(shelf.catalog, shelf.blobs, deleted.id)

    report, findings = await shelf.check(hash=True)

    assert findings == []
    assert report.left == 0
    assert report.checked == {"images": 3, "files": 6, "chunks": 6}


async def test_a_file_that_no_image_names_goes_when_it_is_old(shelf: Shelf) -> None:
    old, young = await shelf.write(str(uuid.uuid4()), "encoded"), await shelf.write(str(uuid.uuid4()), "encoded")
    await shelf.age(old.blob_id)

    told, found = await shelf.check()
    assert kinds(found) == [("orphan-file", False)]
    assert await has_bytes(shelf, old.blob_id)
    assert told.left == 1

    repaired, found = await shelf.check(repair=True)
    assert [(finding.subject, finding.bytes) for finding in found] == [(old.blob_id, len(CONTENT))]
    assert repaired.left == 0
    assert not await has_bytes(shelf, old.blob_id)
    assert await has_bytes(shelf, young.blob_id)


async def test_what_an_attempt_left_goes_when_its_image_has_come_to_rest(shelf: Shelf) -> None:
    resting, moving = await shelf.ready(), await shelf.queued()
    left, awaited = await shelf.write(resting.id, "encoded"), await shelf.write(moving.id, "encoded")
    await shelf.age(left.blob_id)
    await shelf.age(awaited.blob_id)

    _, found = await shelf.check(repair=True)

    assert [finding.subject for finding in found] == [left.blob_id]
    assert await has_bytes(shelf, awaited.blob_id)


async def test_a_blob_that_was_written_for_a_deleted_image_goes_at_once(shelf: Shelf) -> None:
    image = await shelf.ready()
    await delete_image(shelf.catalog, CALLER, shelf.album_id, image.id, Context())
    await purge_image(shelf.catalog, shelf.blobs, image.id)
    late = await shelf.write(image.id, "thumbnail")

    _, found = await shelf.check(repair=True)

    assert kinds(found) == [("orphan-file", True)]
    assert not await has_bytes(shelf, late.blob_id)


async def test_a_file_of_an_upload_that_is_not_accepted_yet_stays(shelf: Shelf) -> None:
    image_id, blob_id = str(uuid.uuid4()), str(uuid.uuid4())
    await begin(shelf.catalog, Intent(image_id, blob_id, CALLER))
    await shelf.blobs.write(
        stream(CONTENT), kind="original", content_type="image/jpeg", image_id=image_id, blob_id=blob_id
    )
    await shelf.age(blob_id)

    _, found = await shelf.check(repair=True)

    assert found == []


async def test_bytes_of_an_image_whose_deletion_is_under_way_are_nothing_to_tell(shelf: Shelf) -> None:
    image = await shelf.ready()
    await delete_image(shelf.catalog, CALLER, shelf.album_id, image.id, Context())

    _, found = await shelf.check()

    assert found == []


async def test_a_preview_of_an_image_that_has_lost_its_picture_goes(shelf: Shelf) -> None:
    event = await shelf.encoded_event(image := await shelf.queued())
    preview = await shelf.write(image.id, "preview")
    await accept_encoded(shelf.catalog, event.model_copy(update={"preview": preview}), Context())
    await shelf.blobs.delete(event.encoded.blob_id, ref(image.original).blob_id)
    await shelf.age(preview.blob_id)

    _, found = await shelf.check(repair=True)

    assert ("orphan-file", preview.blob_id) in [(finding.kind, finding.subject) for finding in found]


async def test_chunks_without_a_file_go_when_they_are_old_and_no_upload_is_writing_them(shelf: Shelf) -> None:
    now = datetime.now(timezone.utc)
    old, young = await loose_chunks(shelf, now - LONG_AGO), await loose_chunks(shelf, now)
    arriving = await loose_chunks(shelf, now - LONG_AGO)
    await begin(shelf.catalog, Intent(str(uuid.uuid4()), arriving, CALLER))

    _, found = await shelf.check(repair=True)

    assert [(finding.kind, finding.subject) for finding in found] == [("orphan-chunks", old)]
    assert not await has_bytes(shelf, old)
    assert await has_bytes(shelf, young)
    assert await has_bytes(shelf, arriving)


async def test_a_thumbnail_that_lacks_a_chunk_is_made_again(shelf: Shelf) -> None:
    image = await shelf.ready()
    await drop_chunk(shelf, image.thumbnail)
    await shelf.published()

    _, found = await shelf.check(repair=True)

    assert kinds(found) == [("damaged-blob", True)]
    assert (await shelf.image(image.id)).state == "encoded"
    assert await shelf.requests(image.id) == ["io.album.thumbnail.requested.v1"]
    assert not await has_bytes(shelf, ref(image.thumbnail).blob_id)


@pytest.mark.parametrize("harm", ["short", "gone"])
async def test_a_picture_that_cannot_be_read_is_made_from_the_upload_again(shelf: Shelf, harm: str) -> None:
    image = await shelf.ready()
    await shelf.published()
    if harm == "short":
        last = {"files_id": ref(image.encoded).blob_id, "n": 2}
        assert (await shelf.catalog.chunks.update_one(last, {"$set": {"data": b"short"}})).modified_count
    else:
        await shelf.blobs.delete(ref(image.encoded).blob_id)

    _, found = await shelf.check(repair=True)

    assert [finding.is_repaired for finding in found] == [True]
    again = await shelf.image(image.id)
    assert (again.state, again.encoded, again.thumbnail, again.generation) == ("queued", None, None, 2)
    assert await shelf.requests(image.id) == ["io.album.image.uploaded.v1"]
    assert not await has_bytes(shelf, ref(image.thumbnail).blob_id)
    assert (await shelf.check())[1] == []


async def test_a_picture_whose_image_is_deleted_just_then_is_not_made_again(shelf: Shelf) -> None:
    image = await shelf.ready()
    await delete_image(shelf.catalog, CALLER, shelf.album_id, image.id, Context())
    await shelf.published()

    assert await mend(shelf.catalog, shelf.blobs, image, {"original": "sound", "encoded": "damaged"}) == set()

    assert await shelf.catalog.images.count_documents({"_id": image.id, "state": "deleted"}) == 1
    assert await shelf.requests(image.id) == []


async def test_a_blob_that_lost_only_its_file_record_gets_it_back(shelf: Shelf) -> None:
    image = await shelf.ready()
    await shelf.catalog.files.delete_one({"_id": ref(image.original).blob_id})

    _, found = await shelf.check(repair=True, horizon=timedelta(0))

    assert kinds(found) == [("missing-blob", True)]
    assert await shelf.image(image.id) == image
    assert (await shelf.check(hash=True))[1] == []


async def test_an_image_of_which_nothing_is_left_fails_with_a_code(shelf: Shelf) -> None:
    image = await shelf.ready()
    await shelf.published()
    await shelf.blobs.delete(*(ref(blob).blob_id for blob in (image.original, image.encoded, image.thumbnail)))

    report, found = await shelf.check(repair=True)

    assert kinds(found) == [("missing-blob", True)] * 3
    assert report.left == 0
    failed = await shelf.image(image.id)
    assert (failed.state, failed.code) == ("failed", "attempts-exhausted")
    assert await shelf.requests(image.id) == ["io.album.image.failed.v1"]
    assert (await shelf.check())[1] == []
    with pytest.raises(Refusal, match="original-not-kept"):
        await retry(shelf.catalog, failed, Context())


async def test_a_queued_image_whose_upload_is_gone_fails_with_a_code(shelf: Shelf) -> None:
    image = await shelf.queued()
    await shelf.blobs.delete(ref(image.original).blob_id)

    await shelf.check(repair=True)

    assert (await shelf.image(image.id)).code == "attempts-exhausted"


async def test_an_upload_that_is_gone_is_no_longer_promised(shelf: Shelf) -> None:
    image = await shelf.ready()
    await shelf.blobs.delete(ref(image.original).blob_id)

    await shelf.check(repair=True)

    assert await shelf.image(image.id) == image.model_copy(update={"is_original_kept": False})
    assert (await shelf.check())[1] == []


async def test_an_upload_and_a_thumbnail_that_are_both_gone_are_seen_to_at_once(shelf: Shelf) -> None:
    image = await shelf.ready()
    await shelf.published()
    await shelf.blobs.delete(ref(image.original).blob_id, ref(image.thumbnail).blob_id)

    report, found = await shelf.check(repair=True)

    assert kinds(found) == [("missing-blob", True)] * 2
    assert report.left == 0
    again = await shelf.image(image.id)
    assert (again.state, again.thumbnail, again.is_original_kept) == ("encoded", None, False)
    assert await shelf.requests(image.id) == ["io.album.thumbnail.requested.v1"]


async def test_what_is_left_of_a_damaged_upload_is_told_and_not_touched(shelf: Shelf) -> None:
    image = await shelf.ready()
    await drop_chunk(shelf, image.original)

    report, found = await shelf.check(repair=True, horizon=timedelta(0))

    assert kinds(found) == [("damaged-blob", False)]
    assert report.left == 1
    assert await shelf.image(image.id) == image
    assert await has_bytes(shelf, ref(image.original).blob_id)


async def test_changed_bytes_are_found_by_their_hash_alone(shelf: Shelf) -> None:
    image = await shelf.ready()
    first = {"files_id": ref(image.thumbnail).blob_id, "n": 2}
    chunk = await shelf.catalog.chunks.find_one(first)
    assert chunk is not None
    await shelf.catalog.chunks.update_one(first, {"$set": {"data": b"?" + chunk["data"][1:]}})

    assert (await shelf.check())[1] == []
    _, found = await shelf.check(repair=True, hash=True)

    assert kinds(found) == [("wrong-hash", True)]
    assert (await shelf.image(image.id)).state == "encoded"


async def test_an_image_that_nobody_looks_at_is_set_going_and_an_overdue_one_only_told(shelf: Shelf) -> None:
    forgotten, overdue = await shelf.queued(), await shelf.queued()
    await shelf.catalog.images.update_one({"_id": forgotten.id}, {"$unset": {"check_at": ""}})
    await shelf.catalog.images.update_one({"_id": overdue.id}, {"$set": {"check_at": utc_now() - LONG_AGO}})

    _, found = await shelf.check(repair=True)

    assert {(finding.subject, finding.is_repaired) for finding in found} == {
        (forgotten.id, True),
        (overdue.id, False),
    }
    assert (await shelf.image(forgotten.id)).generation == 2
    assert (await shelf.image(overdue.id)).generation == 1


async def test_uploads_and_deletions_that_were_cut_short_are_finished(shelf: Shelf) -> None:
    upload = Intent(str(uuid.uuid4()), await loose_chunks(shelf, datetime.now(timezone.utc)), CALLER)
    await begin(shelf.catalog, upload)
    await shelf.catalog.images.update_one({"_id": upload.image_id}, {"$set": {"lease_until": utc_now() - LONG_AGO}})
    deleted = await shelf.ready()
    await delete_image(shelf.catalog, CALLER, shelf.album_id, deleted.id, Context())
    await shelf.catalog.images.update_one({"_id": deleted.id}, {"$set": {"event_at": utc_now() - LONG_AGO}})

    _, found = await shelf.check(repair=True)

    assert sorted(kinds(found)) == [("unfinished-deletion", True), ("unfinished-upload", True)]
    assert await shelf.catalog.files.count_documents({}) == 0
    assert await shelf.catalog.chunks.count_documents({}) == 0


async def test_a_record_that_cannot_be_read_is_told_and_stops_nothing(shelf: Shelf) -> None:
    await shelf.catalog.images.insert_one({"_id": "0", "state": "ready", "album_id": shelf.album_id})

    report, found = await shelf.check(repair=True)

    assert kinds(found) == [("unreadable-record", False)]
    assert report.finished_at is not None


async def test_a_run_that_was_interrupted_goes_on_where_it_was(shelf: Shelf) -> None:
    lost = [await loose_chunks(shelf, datetime.now(timezone.utc) - LONG_AGO) for _ in range(3)]
    template = (await shelf.queued()).model_dump(by_alias=True)
    await shelf.catalog.images.delete_many({})
    gone = [template | {"_id": f"{number:03}", "check_at": utc_now()} for number in range(120)]
    await shelf.catalog.images.insert_many(gone)
    await shelf.blobs.delete(template["original"]["blob_id"])
    told: list[Finding] = []

    def until_the_plug_is_pulled(finding: Finding) -> None:
        if len(told) == 70:
            raise KeyError("no power")
        told.append(finding)

    with pytest.raises(KeyError, match="no power"):
        await shelf.check_telling(until_the_plug_is_pulled)
    report, found = await shelf.check()

    assert report.is_resumed
    assert [finding.subject for finding in found] == [*(f"{number:03}" for number in range(50, 120)), *sorted(lost)]
    assert report.findings["missing-blob"].found == 120
    assert not (await shelf.check())[0].is_resumed


async def test_queries_of_the_check_use_indexes(shelf: Shelf) -> None:
    await shelf.ready()
    chunks = shelf.catalog.chunks.find({"files_id": {"$gt": ""}}, {"_id": 0, "files_id": 1, "n": 1})
    plan = await chunks.sort([("files_id", 1), ("n", 1)]).limit(5).explain()
    assert plan["executionStats"]["totalDocsExamined"] == 0
    receiving = {"state": "receiving", "blob_id": {"$in": ["x"]}}
    assert "blob_id" in str((await shelf.catalog.images.find(receiving).explain())["queryPlanner"]["winningPlan"])


class Hurried(CommandListener):
    """Counts the walks over all images, and those of them that the server has to end in some time."""

    def __init__(self) -> None:
        self.hurried = self.all = 0

    def started(self, event: CommandStartedEvent) -> None:
        if event.command.get("find") == "images" and "$or" in event.command["filter"]:
            self.all += 1
            self.hurried += "maxTimeMS" in event.command

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


async def test_a_check_may_take_long_to_pass_over_what_was_ever_deleted(
    shelf: Shelf, mongo_url: str, database: str
) -> None:
    await shelf.queued()
    listener = Hurried()
    client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(mongo_url, tz_aware=True, event_listeners=[listener])

    await fsck.run(Catalog(client, CatalogSettings(database=database)), shelf.blobs, "test", Options(), print)
    client.close()

    assert listener.all
    assert not listener.hurried
