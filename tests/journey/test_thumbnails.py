"""Thumbnails: what they are, and that a missing one is made again by whoever asks for it."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from tests.journey.expect import failed, processing
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

AT_ONCE = 50


def ready(album: AlbumClient, width: int = 640, height: int = 360, mode: str = "RGB") -> tuple[str, str]:
    """The album and the image of a picture that has become ready."""
    album_id = album.create()
    return album_id, album.ready(album_id, picture("PNG", width, height, mode=mode))["image_id"]


def lose(stack: Stack, image_id: str, what: str) -> str:
    """Take a thumbnail's blob away behind everybody's back; its id."""
    document = stack.database["images"].find_one({"_id": image_id})
    assert document is not None
    blob_id: str = document["thumbnail"]["blob_id"]
    stack.database["fs.chunks"].delete_many({"files_id": blob_id})
    if what == "whole file":
        stack.database["fs.files"].delete_one({"_id": blob_id})
    return blob_id


@pytest.mark.parametrize(
    ("size", "expected"), [((640, 360), (320, 180)), ((100, 800), (40, 320)), ((64, 48), (64, 48))]
)
def test_a_thumbnail_fits_320x320_and_is_never_enlarged(
    album: AlbumClient, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    album_id, image_id = ready(album, *size)

    answer = album.post("/album/thumbnail/get", thumbnail_id=album_id + image_id)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert Image.open(io.BytesIO(answer.content)).size == expected


def test_a_thumbnail_keeps_alpha(album: AlbumClient) -> None:
    album_id, image_id = ready(album, mode="RGBA")

    answer = album.post("/album/thumbnail/get", thumbnail_id=album_id + image_id)

    assert Image.open(io.BytesIO(answer.content)).mode == "RGBA"


def test_a_thumbnail_is_found_by_its_id_in_upper_case(album: AlbumClient) -> None:
    album_id, image_id = ready(album)

    assert album.post("/album/thumbnail/get", thumbnail_id=(album_id + image_id).upper()).status_code == 200


def test_the_thumbnail_of_a_queued_image_is_answered_as_processing(idle: AlbumClient) -> None:
    accepted = idle.upload(idle.create(), picture("PNG", 8, 8)).json()

    for seconds in (0, 0.2):
        answer = idle.post("/album/thumbnail/get", thumbnail_id=accepted["thumbnail_id"], wait_seconds=seconds)
        processing(answer, "queued", accepted["job_id"])


def test_waiting_for_a_thumbnail_ends_when_it_is_there(album: AlbumClient) -> None:
    accepted = album.upload(album.create(), picture("PNG", 8, 8)).json()

    answer = album.post("/album/thumbnail/get", thumbnail_id=accepted["thumbnail_id"], wait_seconds=30)

    assert answer.status_code == 200


def test_the_thumbnail_of_a_failed_image_answers_with_the_jobs_code(album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.settled(album.upload(album_id, picture("JPEG")[:400]))["image_id"]

    failed(album.post("/album/thumbnail/get", thumbnail_id=album_id + image_id), 422, "truncated-image")


def test_the_thumbnail_of_an_image_of_another_album_is_not_found(album: AlbumClient) -> None:
    _, image_id = ready(album, 8, 8)

    failed(album.post("/album/thumbnail/get", thumbnail_id=album.create() + image_id), 404, "thumbnail-not-found")


@pytest.mark.parametrize("what", ["whole file", "chunks only"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_missing_thumbnail_is_made_again_in_the_same_request(
    stack: Stack, album: AlbumClient, what: str, method: str
) -> None:
    album_id, image_id = ready(album)
    before = album.post("/album/thumbnail/get", thumbnail_id=album_id + image_id)
    lost = lose(stack, image_id, what)

    if method == "POST":
        answer = album.post("/album/thumbnail/get", thumbnail_id=album_id + image_id)
    else:
        answer = album.http.get(f"/album/thumbnail/{album_id}{image_id}")

    assert (answer.status_code, answer.content) == (200, before.content)
    assert album.job(image_id + "job", wait_seconds=10)["state"] == "ready"
    eventually(lambda: not stack.database["fs.files"].find_one({"_id": lost}), what="the rest of the lost blob is gone")


@pytest.mark.parametrize("lost", [{"$unset": {"thumbnail": ""}}, {"$set": {"thumbnail": None}}])
def test_an_image_whose_record_lost_its_thumbnail_gets_another(
    stack: Stack, album: AlbumClient, lost: dict[str, dict[str, str | None]]
) -> None:
    album_id, image_id = ready(album, 8, 8)
    stack.database["images"].update_one({"_id": image_id}, lost)

    answer = album.http.get(f"/album/thumbnail/{album_id}{image_id}")

    assert answer.status_code == 200
    assert album.job(image_id + "job", wait_seconds=10)["state"] == "ready"


@pytest.mark.parametrize("what", ["whole file", "chunks only"])
def test_50_gets_of_a_missing_thumbnail_at_once_make_it_once_and_all_answer_200(
    stack: Stack, album: AlbumClient, what: str
) -> None:
    album_id, image_id = ready(album)
    lose(stack, image_id, what)
    requested = {"subject": image_id, "envelope.type": "io.album.thumbnail.requested.v1"}
    created = {"subject": image_id, "envelope.type": "io.album.thumbnail.created.v1"}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        gets = [
            pool.submit(album.post, "/album/thumbnail/get", thumbnail_id=album_id + image_id) for _ in range(AT_ONCE)
        ]
        answers = [get.result() for get in gets]

    assert [answer.status_code for answer in answers] == [200] * AT_ONCE
    assert len({answer.content for answer in answers}) == 1
    assert stack.database["events"].count_documents(requested) == 1
    assert stack.database["events"].count_documents(created) == 2
    eventually(lambda: len(stack.blobs(image_id=image_id, kind="thumbnail")) == 1, what="one thumbnail is left")


def test_a_missing_thumbnail_that_cannot_be_made_now_is_answered_as_processing(start_stack: StartStack) -> None:
    stack = start_stack(ALBUM_THUMBNAIL_WAIT_SECONDS="0.5")
    with stack.client() as album:
        album_id, image_id = ready(album, 8, 8)
        stack.processes["thumbnailer-0"].stop()
        lose(stack, image_id, "whole file")

        answer = album.post("/album/thumbnail/get", thumbnail_id=album_id + image_id)
        again = album.post("/album/thumbnail/get", thumbnail_id=album_id + image_id)
        shown = album.post("/album/image/get", album_id=album_id, image_id=image_id)

        processing(answer, "encoded", image_id + "job")
        processing(again, "encoded", image_id + "job")
        assert shown.status_code == 200
        stack.start("thumbnailer")
        assert album.job(image_id + "job", wait_seconds=30)["state"] == "ready"


def test_a_first_thumbnail_is_waited_for_as_long_as_was_asked(start_stack: StartStack) -> None:
    stack = start_stack(thumbnailers=0, ALBUM_THUMBNAIL_WAIT_SECONDS="20")
    with stack.client() as album:
        album_id = album.create()
        accepted = album.upload(album_id, picture("PNG", 8, 8)).json()
        album.post("/album/image/get", album_id=album_id, image_id=accepted["image_id"], wait_seconds=30)

        for seconds in (0, 0.3):
            answer = album.post("/album/thumbnail/get", thumbnail_id=accepted["thumbnail_id"], wait_seconds=seconds)

            processing(answer, "encoded", accepted["job_id"])
            assert seconds <= answer.elapsed.total_seconds() < 10


def test_a_lost_thumbnail_is_made_again_in_the_request_of_one_who_would_not_wait(
    stack: Stack, album: AlbumClient
) -> None:
    album_id, image_id = ready(album, 8, 8)
    lose(stack, image_id, "whole file")

    answer = album.post("/album/thumbnail/get", thumbnail_id=album_id + image_id, wait_seconds=0)

    assert answer.status_code == 200


def test_a_picture_streams_while_its_thumbnail_is_pending(start_stack: StartStack) -> None:
    stack = start_stack(thumbnailers=0, ALBUM_THUMBNAIL_WAIT_SECONDS="0")
    with stack.client() as album:
        album_id = album.create()
        accepted = album.upload(album_id, picture("PNG", 8, 8)).json()

        shown = album.post("/album/image/get", album_id=album_id, image_id=accepted["image_id"], wait_seconds=30)
        thumbnail = album.post("/album/thumbnail/get", thumbnail_id=accepted["thumbnail_id"])

        assert shown.status_code == 200
        processing(thumbnail, "encoded", accepted["job_id"])
        assert album.job(accepted["job_id"])["state"] == "encoded"
