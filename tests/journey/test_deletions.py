"""Deletion wins: invisible at once, whatever is under way, and no byte is left in the end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.journey.expect import failed, residue, succeeded
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.raw import RawConnection, field, file, form
from tests.support.stack import Stack
from tests.support.waiting import eventually

SMALL = picture("PNG", 8, 8)


def is_gone(stack: Stack, *image_ids: str) -> bool:
    """Whether no blob of these images is left, and no chunk of any unknown blob."""
    return not [blob for image_id in image_ids for blob in stack.blobs(image_id=image_id)] and not residue(
        stack.database
    )


def unseen(album: AlbumClient, album_id: str, image_id: str, code: str) -> None:
    """See an image nowhere."""
    ids = {"album_id": album_id, "image_id": image_id}
    failed(album.post("/album/image/get", **ids), 404, code)
    failed(album.post("/album/image/get", **ids, variant="original"), 404, code)
    failed(album.post("/album/image/info", **ids), 404, code)
    failed(album.post("/album/image/delete", **ids), 404, code)
    failed(album.post("/album/thumbnail/get", thumbnail_id=album_id + image_id), 404, "thumbnail-not-found")
    failed(album.http.get(f"/album/{album_id}/image/{image_id}"), 404, code)
    failed(album.http.get(f"/album/thumbnail/{album_id}{image_id}"), 404, "thumbnail-not-found")
    failed(album.post("/job/get", job_id=image_id + "job"), 404, "job-not-found")


def test_a_deleted_image_is_invisible_at_once_and_its_bytes_go(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.ready(album_id, SMALL)["image_id"]

    succeeded(album.post("/album/image/delete", album_id=album_id, image_id=image_id), 200)

    unseen(album, album_id, image_id, "image-not-found")
    assert album.post("/album/images", album_id=album_id).json()["images"] == []
    snapshot = album.post("/album/get", album_id=album_id).json()["album_snapshot"]
    assert (snapshot["content"], snapshot["content_count"]) == ([], 0)
    eventually(lambda: is_gone(stack, image_id), 60, "its bytes are gone")


def test_a_queued_image_can_be_deleted(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.upload(album_id, picture("PNG", 1500, 900)).json()["image_id"]

    succeeded(album.post("/album/image/delete", album_id=album_id, image_id=image_id), 200)

    unseen(album, album_id, image_id, "image-not-found")
    eventually(lambda: is_gone(stack, image_id), 60, "what the stages still made is gone too")


def test_a_failed_image_can_be_deleted(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.settled(album.upload(album_id, picture("JPEG")[:400]))["image_id"]

    succeeded(album.post("/album/image/delete", album_id=album_id, image_id=image_id), 200)

    unseen(album, album_id, image_id, "image-not-found")
    eventually(lambda: is_gone(stack, image_id), 60, "its original is gone")


def test_images_deleted_in_whatever_stage_leave_nothing(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()
    content = picture("PNG", 400, 300)

    def put_and_take(number: int) -> str:
        accepted = album.upload(album_id, content).json()
        album.job(accepted["job_id"], wait_seconds=number / 40)
        album.post("/album/image/delete", album_id=album_id, image_id=accepted["image_id"])
        image_id: str = accepted["image_id"]
        return image_id

    with ThreadPoolExecutor(4) as pool:
        image_ids = list(pool.map(put_and_take, range(24)))

    eventually(lambda: is_gone(stack, *image_ids), 60, "nothing is left of any of them")
    deleted = {"envelope.type": "io.album.image.deleted.v1", "subject": {"$in": image_ids}}
    assert stack.database["events"].count_documents(deleted) == 24


def test_of_two_deletions_at_once_one_succeeds(album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.upload(album_id, SMALL).json()["image_id"]

    with ThreadPoolExecutor(8) as pool:
        deletions = [
            pool.submit(album.post, "/album/image/delete", album_id=album_id, image_id=image_id) for _ in range(8)
        ]
        statuses = sorted(deletion.result().status_code for deletion in deletions)

    assert statuses == [200] + [404] * 7
    assert album.post("/album/get", album_id=album_id).json()["album_snapshot"]["content_count"] == 0


def test_a_deleted_album_is_invisible_at_once_with_its_images_and_their_bytes_go(
    stack: Stack, album: AlbumClient
) -> None:
    album_id = album.create()
    image_ids = [album.upload(album_id, SMALL).json()["image_id"] for _ in range(5)]

    succeeded(album.post("/album/delete", album_id=album_id), 200)

    failed(album.post("/album/get", album_id=album_id), 404, "album-not-found")
    failed(album.post("/album/images", album_id=album_id), 404, "album-not-found")
    failed(album.post("/album/delete", album_id=album_id), 404, "album-not-found")
    failed(album.upload(album_id, SMALL), 404, "album-not-found")
    for image_id in image_ids:
        unseen(album, album_id, image_id, "album-not-found")
    eventually(lambda: is_gone(stack, *image_ids), 60, "their bytes are gone")
    told = {"envelope.type": "io.album.image.deleted.v1", "subject": {"$in": image_ids}}
    eventually(lambda: stack.database["events"].count_documents(told) == 5, 30, "each deletion is told")


def test_nothing_of_a_deleted_album_is_shown_before_its_images_are_deleted(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.ready(album_id, SMALL)["image_id"]
    # As it stands between the answer to a deletion and the sweep that follows it.
    stack.database["albums"].update_one({"_id": album_id}, {"$set": {"state": "deleted"}})

    unseen(album, album_id, image_id, "album-not-found")


@pytest.mark.parametrize("is_first", [True, False], ids=["album first", "file first"])
def test_an_upload_whose_album_is_deleted_meanwhile_is_refused(
    stack: Stack, album: AlbumClient, is_first: bool
) -> None:
    album_id = album.create()
    parts = [field("album_id", album_id), file(SMALL + bytes(400_000))]
    body = form(*(parts if is_first else reversed(parts)))
    with RawConnection(stack.url) as raw:
        raw.begin(content_length=len(body))
        raw.send(body[:-10])
        eventually(lambda: stack.database["images"].find_one({"state": "receiving"}), what="it has begun")
        album.post("/album/delete", album_id=album_id)
        raw.send(body[-10:])

        answer = raw.answer()

    assert (answer.status_code, answer.json()["code"]) == (404, "album-not-found")
    eventually(lambda: not residue(stack.database), what="nothing of it is left")


def test_uploads_that_cross_the_deletion_of_their_album_leave_nothing(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()

    with ThreadPoolExecutor(8) as pool:
        uploads = [pool.submit(album.upload, album_id, SMALL) for _ in range(16)]
        album.post("/album/delete", album_id=album_id)
        answers = [upload.result() for upload in uploads]

    assert {answer.status_code for answer in answers} <= {202, 404}
    accepted = [answer.json()["image_id"] for answer in answers if answer.status_code == 202]
    eventually(lambda: is_gone(stack, *accepted), 60, "nothing is left")
    assert stack.database["images"].count_documents({"album_id": album_id, "state": {"$ne": "deleted"}}) == 0


def test_deleting_an_image_leaves_its_neighbours_alone(album: AlbumClient) -> None:
    album_id = album.create()
    first, second = (album.ready(album_id, SMALL)["image_id"] for _ in range(2))

    album.post("/album/image/delete", album_id=album_id, image_id=first)

    assert album.post("/album/image/get", album_id=album_id, image_id=second).status_code == 200
    assert album.post("/album/thumbnail/get", thumbnail_id=album_id + second).status_code == 200
