"""Jobs: how far an image is, waiting for it, and trying a failed one again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.journey.expect import failed, is_time, processing, succeeded
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

JOB = {
    "job_id", "image_id", "album_id", "state", "code", "message", "attempts", "timeline",
    "width", "height", "placeholder",
}  # fmt: skip
BROKEN = picture("JPEG", 64, 48)[:400]


def test_a_ready_job_tells_its_way(album: AlbumClient) -> None:
    album_id = album.create()
    accepted = album.upload(album_id, picture("JPEG")).json()

    body = succeeded(album.post("/job/get", job_id=accepted["job_id"], wait_seconds=30), 200, "job")

    job = body["job"]
    assert set(job) == JOB
    timeline = job.pop("timeline")
    assert job.pop("placeholder")
    assert job == {
        "job_id": accepted["job_id"],
        "image_id": accepted["image_id"],
        "album_id": album_id,
        "state": "ready",
        "code": None,
        "message": None,
        "attempts": 1,
        "width": 64,
        "height": 48,
    }
    assert [set(step) for step in timeline] == [{"event", "at"}] * 3
    assert [step["event"] for step in timeline] == ["queued", "encoded", "ready"]
    assert all(is_time(step["at"]) for step in timeline)
    assert [step["at"] for step in timeline] == sorted(step["at"] for step in timeline)


def test_a_queued_job_is_told_at_once(idle: AlbumClient) -> None:
    job = idle.job(idle.upload(idle.create(), picture("PNG", 8, 8)).json()["job_id"])

    assert set(job) == JOB
    assert (job["state"], [step["event"] for step in job["timeline"]]) == ("queued", ["queued"])


def test_waiting_for_a_job_ends_after_the_seconds_given(idle: AlbumClient) -> None:
    job_id = idle.upload(idle.create(), picture("PNG", 8, 8)).json()["job_id"]

    answer = idle.post("/job/get", job_id=job_id, wait_seconds=0.5)

    assert answer.json()["job"]["state"] == "queued"
    assert 0.5 <= answer.elapsed.total_seconds() < 20


def test_waiting_for_a_job_ends_when_it_has_failed(album: AlbumClient) -> None:
    job_id = album.upload(album.create(), BROKEN).json()["job_id"]

    answer = album.post("/job/get", job_id=job_id, wait_seconds=30)

    job = answer.json()["job"]
    assert set(job) == JOB
    assert (job["state"], job["code"]) == ("failed", "truncated-image")
    assert job["message"]
    assert [step["event"] for step in job["timeline"]] == ["queued", "failed"]


def test_waiting_for_a_job_whose_image_is_deleted_ends(idle: AlbumClient) -> None:
    album_id = idle.create()
    accepted = idle.upload(album_id, picture("PNG", 8, 8)).json()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(idle.post, "/job/get", job_id=accepted["job_id"], wait_seconds=30)
        idle.post("/album/image/delete", album_id=album_id, image_id=accepted["image_id"])

        answer = waiting.result()

    failed(answer, 404, "job-not-found")
    assert answer.elapsed.total_seconds() < 20


DECLARED = {
    "truncated-image": BROKEN,
    "corrupt-image": picture("PNG", 64, 48)[:45] + bytes(8) + picture("PNG", 64, 48)[53:],
}


@pytest.mark.parametrize(("code", "content"), DECLARED.items())
def test_a_picture_that_cannot_be_decoded_becomes_a_failed_job(album: AlbumClient, code: str, content: bytes) -> None:
    job = album.settled(album.upload(album.create(), content))

    assert (job["state"], job["code"]) == ("failed", code)


def test_a_failed_job_is_tried_again(album: AlbumClient) -> None:
    album_id = album.create()
    job_id = album.settled(album.upload(album_id, BROKEN))["job_id"]

    answer = album.post("/job/retry", job_id=job_id)
    job = album.job(job_id, wait_seconds=30)

    processing(answer, "queued", job_id)
    assert (job["state"], job["attempts"]) == ("failed", 2)
    assert [step["event"] for step in job["timeline"]] == ["queued", "failed", "queued", "failed"]


def test_a_retry_makes_ready_what_failed_by_mistake(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()
    job = album.settled(album.upload(album_id, BROKEN))
    good = album.ready(album.create(), picture("JPEG"))
    images = stack.database["images"]
    original = (images.find_one({"_id": good["image_id"]}) or {})["original"]
    images.update_one({"_id": job["image_id"]}, {"$set": {"original": original}})

    album.post("/job/retry", job_id=job["job_id"])

    retried = album.job(job["job_id"], wait_seconds=30)
    assert (retried["state"], retried["code"], retried["message"]) == ("ready", None, None)


def test_a_job_that_has_not_failed_is_not_tried_again(album: AlbumClient, idle: AlbumClient) -> None:
    ready = album.ready(album.create(), picture("PNG", 8, 8))
    queued = idle.upload(idle.create(), picture("PNG", 8, 8)).json()

    failed(album.post("/job/retry", job_id=ready["job_id"]), 409, "job-not-failed")
    failed(idle.post("/job/retry", job_id=queued["job_id"]), 409, "job-not-failed")


def test_the_job_of_a_deleted_image_is_not_found(album: AlbumClient) -> None:
    album_id = album.create()
    job = album.ready(album_id, picture("PNG", 8, 8))
    album.post("/album/image/delete", album_id=album_id, image_id=job["image_id"])

    failed(album.post("/job/get", job_id=job["job_id"]), 404, "job-not-found")
    failed(album.post("/job/retry", job_id=job["job_id"]), 404, "job-not-found")


def test_the_jobs_of_a_deleted_album_are_not_found(album: AlbumClient) -> None:
    album_id = album.create()
    job = album.ready(album_id, picture("PNG", 8, 8))
    album.post("/album/delete", album_id=album_id)

    failed(album.post("/job/get", job_id=job["job_id"]), 404, "job-not-found")


def test_a_job_is_found_by_its_id_in_upper_case(album: AlbumClient) -> None:
    image_id = album.upload(album.create(), picture("PNG", 8, 8)).json()["image_id"]

    assert album.post("/job/get", job_id=image_id.upper() + "job").status_code == 200


def test_a_decoder_that_may_open_no_more_files_keeps_the_picture_until_it_may(start_stack: StartStack) -> None:
    stack = start_stack()
    decoder = psutil.Process(stack.processes["decoder-0"].pid)
    usual = decoder.rlimit(psutil.RLIMIT_NOFILE)
    said = "no files, processes or memory left"
    with stack.client() as album:
        decoder.rlimit(psutil.RLIMIT_NOFILE, (3, usual[1]))
        accepted = album.upload(album.create(), picture("PNG"))
        eventually(lambda: stack.log("decoder-0").count(said) >= 3, 60, "it has been tried again and again")
        decoder.rlimit(psutil.RLIMIT_NOFILE, usual)

        assert album.settled(accepted)["attempts"] == 1
