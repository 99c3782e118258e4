"""What an owner may store, and how long what nobody needs is kept."""

from __future__ import annotations

from contextlib import ExitStack
from select import select

from tests.journey.drawn import plain
from tests.journey.expect import failed, residue
from tests.support.keys import keys_are_demanded, make_key, with_key
from tests.support.pictures import picture
from tests.support.raw import RawConnection, field, file, form
from tests.support.stack import StartStack
from tests.support.waiting import eventually

PICTURE = picture("JPEG", 64, 48)
SHORT = "0.00001"
"""Days: less than a second."""


def test_an_owner_with_a_full_quota_stores_no_more_until_something_is_deleted(start_stack: StartStack) -> None:
    room = 4 * len(PICTURE)
    stack = start_stack(ALBUM_QUOTA_BYTES=str(room))
    tokens = [make_key(stack, owner) for owner in ("anna", "bob")]
    keys_are_demanded(stack)
    with with_key(stack, tokens[0]) as anna, with_key(stack, tokens[1]) as bob:
        album_id = anna.create()
        for _ in range(2):
            anna.ready(album_id, PICTURE)
        eventually(
            lambda: anna.upload(album_id, PICTURE).status_code == 507, 15, "two uploads and their pictures count"
        )

        body = failed(anna.upload(album_id, PICTURE), 507, "storage-full")

        assert body["limit"] == {"bytes": room}
        assert bob.upload(bob.create(), PICTURE).status_code == 202
        anna.post("/album/delete", album_id=album_id)
        album_id = anna.create()
        eventually(lambda: anna.upload(album_id, PICTURE).status_code == 202, 15, "what was deleted counts no more")


def test_a_file_that_cannot_fit_the_quota_is_refused_and_leaves_nothing(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_QUOTA_BYTES=str(len(PICTURE) - 1))
    with stack.client() as album:
        album_id = album.create()

        failed(album.upload(album_id, PICTURE), 507, "storage-full")
        with RawConnection(stack.url) as raw:
            raw.begin(transfer_encoding="chunked")
            raw.send_chunk(form(field("album_id", album_id), file(PICTURE)))
            raw.send_chunk(b"")
            assert raw.answer().json()["code"] == "storage-full"

        eventually(lambda: not residue(stack.database), what="nothing is left")


def test_what_was_stored_under_a_key_is_told_again_when_there_is_no_more_room(start_stack: StartStack) -> None:
    large = PICTURE + bytes(200_000)  # more than a request has beside its file
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_QUOTA_BYTES=str(len(large) * 3 // 2))
    with stack.client() as album:
        album_id = album.create()
        first = album.upload(album_id, large, headers={"Idempotency-Key": "first"})
        assert first.status_code == 202
        failed(album.upload(album_id, large, headers={"Idempotency-Key": "second"}), 507, "storage-full")

        again = album.upload(album_id, large, headers={"Idempotency-Key": "first"})

        assert again.status_code == 202
        assert again.json() == first.json()


def test_uploads_at_the_same_time_share_one_quota(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_QUOTA_BYTES=str(2 * len(PICTURE)))
    with stack.client() as album:
        album_id = album.create()
        raws = [RawConnection(stack.url) for _ in range(6)]
        body = form(field("album_id", album_id), file(PICTURE))
        for raw in raws:
            raw.begin(content_length=len(body))
            raw.send(body[:-10])
        for raw in raws:
            raw.send(body[-10:])
        answers = sorted(raw.answer().status_code for raw in raws)
        for raw in raws:
            raw.socket.close()

    assert answers == [202, 202, 507, 507, 507, 507]


def test_the_upload_of_an_image_that_failed_long_ago_is_dropped(start_stack: StartStack) -> None:
    stack = start_stack(ALBUM_FAILED_RETENTION_DAYS=SHORT, ALBUM_RECONCILE_SECONDS="0.2")
    with stack.client() as album:
        job = album.settled(album.upload(album.create(), plain("PNG", 320, 240)[:90]))
        assert job["state"] == "failed"

        eventually(lambda: not stack.blobs(image_id=job["image_id"]), what="its upload is gone")

        failed(album.post("/job/retry", job_id=job["job_id"]), 404, "original-not-kept")
        wanted = {"album_id": job["album_id"], "image_id": job["image_id"], "variant": "original"}
        told = failed(album.post("/album/image/get", **wanted), 404, "original-not-kept")
        assert told["message"] == "the upload of this picture is not kept any more"
        assert album.job(job["job_id"])["state"] == "failed"


def test_the_record_of_a_deleted_image_ends_when_it_was_to_end(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_DELETED_RETENTION_DAYS="2")
    with stack.client() as album:
        album_id = album.create()
        image_id = album.upload(album_id, PICTURE).json()["image_id"]

        album.post("/album/image/delete", album_id=album_id, image_id=image_id)

    # MongoDB itself removes it, once a minute.
    tombstone = stack.database["images"].find_one({"_id": image_id})
    assert tombstone is not None
    assert 1.9 < (tombstone["expire_at"] - tombstone["event_at"]).total_seconds() / 86_400 < 2.1
    indexes = stack.database["images"].index_information().values()
    assert [index["key"] for index in indexes if "expireAfterSeconds" in index] == [[("expire_at", 1)]]


def test_uploads_that_begin_at_the_same_time_share_the_places_of_a_process(start_stack: StartStack) -> None:
    places, clients = 2, 12
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_MAX_UPLOADS=str(places), ALBUM_QUOTA_BYTES="1000000")
    with stack.client() as album, ExitStack() as opened:
        body = form(field("album_id", album.create()), file(PICTURE))
        raws = [opened.enter_context(RawConnection(stack.url)) for _ in range(clients)]
        for raw in raws:
            raw.begin(content_length=len(body))
            raw.send(body[:-10])
        sockets = [raw.socket for raw in raws]
        eventually(lambda: len(select(sockets, (), (), 0)[0]) == clients - places, what="the others are turned away")

        for raw in raws:
            raw.send(body[-10:])

        assert sorted(raw.answer().status_code for raw in raws) == [202] * places + [503] * (clients - places)
