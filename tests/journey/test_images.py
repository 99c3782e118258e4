"""Reading images: the picture, the original, the card and the list of cards."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from pathlib import Path

import pytest
from PIL import Image

from tests.journey.expect import ABSENT, failed, is_time, processing, succeeded
from tests.support.client import AlbumClient
from tests.support.pictures import FORMATS, picture
from tests.support.stack import Stack, StartStack

CARD = {
    "id", "name", "create_date", "state", "code", "job_id", "thumbnail_id",
    "width", "height", "animated", "placeholder", "content_type", "length",
}  # fmt: skip
BROKEN = picture("JPEG", 64, 48)[:400]
"""A picture that ends in the middle, which only the decoder finds out."""


def card(album: AlbumClient, album_id: str, image_id: str) -> dict[str, object]:
    body = succeeded(album.post("/album/image/info", album_id=album_id, image_id=image_id), 200, "image")
    image: dict[str, object] = body["image"]
    return image


def test_the_card_of_a_ready_image_tells_all_about_it(album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.ready(album_id, picture("JPEG", 64, 48), "beach.heic")["image_id"]
    shown = album.post("/album/image/get", album_id=album_id, image_id=image_id)

    told = card(album, album_id, image_id)

    assert set(told) == CARD
    assert is_time(str(told.pop("create_date")))
    assert base64.b64decode(str(told.pop("placeholder")), validate=True)
    assert told == {
        "id": image_id,
        "name": "beach.heic",
        "state": "ready",
        "code": None,
        "job_id": image_id + "job",
        "thumbnail_id": album_id + image_id,
        "width": 64,
        "height": 48,
        "animated": False,
        "content_type": "image/jpeg",
        "length": len(shown.content),
    }


def test_the_card_of_a_queued_image_has_the_same_fields(idle: AlbumClient) -> None:
    album_id = idle.create()
    image_id = idle.upload(album_id, picture("JPEG"), "beach.jpg").json()["image_id"]

    told = card(idle, album_id, image_id)

    assert set(told) == CARD
    assert (told["state"], told["width"], told["content_type"], told["length"]) == ("queued", None, None, None)


def test_the_card_of_a_failed_image_has_its_code(album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.settled(album.upload(album_id, BROKEN))["image_id"]

    told = card(album, album_id, image_id)

    assert set(told) == CARD
    assert (told["state"], told["code"]) == ("failed", "truncated-image")


def test_an_animation_is_said_to_be_one(album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.ready(album_id, picture("WEBP", frames=3))["image_id"]

    assert card(album, album_id, image_id)["animated"] is True


@pytest.mark.parametrize("format", FORMATS)
def test_the_encoded_picture_is_of_a_type_that_browsers_show(
    album: AlbumClient, small: dict[str, bytes], format: str
) -> None:
    album_id = album.create()
    image_id = album.ready(album_id, small[format])["image_id"]

    shown = album.post("/album/image/get", album_id=album_id, image_id=image_id)

    assert shown.status_code == 200
    assert shown.headers["content-type"] in ("image/jpeg", "image/png", "image/webp")
    assert int(shown.headers["content-length"]) == len(shown.content)
    assert Image.open(io.BytesIO(shown.content)).size == (64, 48)


def test_a_queued_image_is_answered_as_processing(idle: AlbumClient) -> None:
    album_id = idle.create()
    accepted = idle.upload(album_id, picture("JPEG")).json()

    answer = idle.post("/album/image/get", album_id=album_id, image_id=accepted["image_id"])

    processing(answer, "queued", accepted["job_id"])
    assert answer.json()["message"] == "the image is still in the queue"


def test_a_queued_image_is_answered_as_processing_after_the_wait(idle: AlbumClient) -> None:
    album_id = idle.create()
    accepted = idle.upload(album_id, picture("JPEG")).json()

    answer = idle.post("/album/image/get", album_id=album_id, image_id=accepted["image_id"], wait_seconds=0.3)

    processing(answer, "queued", accepted["job_id"])
    assert answer.elapsed.total_seconds() >= 0.3


def test_waiting_for_a_picture_ends_when_it_is_there(album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.upload(album_id, picture("JPEG")).json()["image_id"]

    answer = album.post("/album/image/get", album_id=album_id, image_id=image_id, wait_seconds=30)

    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() < 20


def test_a_failed_image_answers_with_the_jobs_code(album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.settled(album.upload(album_id, BROKEN))["image_id"]

    failed(album.post("/album/image/get", album_id=album_id, image_id=image_id), 422, "truncated-image")


def test_a_picture_whose_bytes_the_store_has_lost_says_so(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.ready(album_id, picture("PNG", 8, 8))["image_id"]
    document = stack.database["images"].find_one({"_id": image_id})
    assert document is not None
    stack.database["fs.chunks"].delete_many({"files_id": document["encoded"]["blob_id"]})

    answer = album.http.get(f"/album/{album_id}/image/{image_id}")

    assert failed(answer, 503, "unavailable")["message"] == "its bytes are not there"


def test_the_original_comes_back_as_uploaded_and_only_as_a_download(album: AlbumClient) -> None:
    album_id, uploaded = album.create(), picture("HEIF", orientation=6)
    image_id = album.ready(album_id, uploaded, 'Über "uns".heic')["image_id"]

    answer = album.post("/album/image/get", album_id=album_id, image_id=image_id, variant="original")

    assert (answer.status_code, answer.content) == (200, uploaded)
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%C3%9Cber%20")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("IMG_0001.HEIC", "image/heic"), ("phone.heif", "image/heif")],
)
def test_an_original_has_a_media_type_that_suits_its_name_so_that_browsers_keep_the_name(
    album: AlbumClient, name: str, media_type: str
) -> None:
    album_id = album.create()
    image_id = album.ready(album_id, picture("HEIF"), name)["image_id"]

    for method in ("GET", "HEAD"):
        answer = album.http.request(method, f"/album/{album_id}/image/{image_id}?variant=original")
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)


def test_a_jpeg_is_served_as_one_under_any_name(album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.ready(album_id, picture("JPEG"), "not.heic")["image_id"]

    for variant in ("encoded", "original"):
        answer = album.http.get(f"/album/{album_id}/image/{image_id}?variant={variant}")
        assert answer.headers["content-type"] == "image/jpeg"


def test_the_original_of_a_queued_or_failed_image_can_be_read(album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.settled(album.upload(album_id, BROKEN))["image_id"]

    answer = album.post("/album/image/get", album_id=album_id, image_id=image_id, variant="original")

    assert answer.content == BROKEN


def test_originals_are_gone_once_the_image_is_ready_where_the_operator_keeps_none(start_stack: StartStack) -> None:
    stack = start_stack(ALBUM_KEEP_ORIGINALS="false")
    with stack.client() as album:
        album_id = album.create()
        image_id = album.ready(album_id, picture("JPEG"))["image_id"]

        failed(
            album.post("/album/image/get", album_id=album_id, image_id=image_id, variant="original"),
            404,
            "original-not-kept",
        )
        failed(album.http.get(f"/album/{album_id}/image/{image_id}?variant=original"), 404, "original-not-kept")
        assert album.post("/album/image/get", album_id=album_id, image_id=image_id).status_code == 200
        assert sorted(file["metadata"]["kind"] for file in stack.blobs()) == ["encoded", "thumbnail"]


def test_images_are_listed_as_cards_oldest_first(idle: AlbumClient) -> None:
    album_id = idle.create()
    ids = [idle.upload(album_id, picture("PNG", 8, 8), f"{n}.png").json()["image_id"] for n in range(3)]

    body = succeeded(idle.post("/album/images", album_id=album_id), 200, "images", "next")

    assert body["next"] is None
    assert body["images"] == [card(idle, album_id, image_id) for image_id in ids]


def test_images_are_listed_newest_first_when_asked_for(idle: AlbumClient) -> None:
    album_id = idle.create()
    ids = [idle.upload(album_id, picture("PNG", 8, 8)).json()["image_id"] for _ in range(3)]

    body = idle.post("/album/images", album_id=album_id, order="newest").json()

    assert [image["id"] for image in body["images"]] == ids[::-1]


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_pages_of_images_survive_the_deletion_of_the_image_they_end_with(idle: AlbumClient, order: str) -> None:
    album_id = idle.create()
    ids = [idle.upload(album_id, picture("PNG", 8, 8)).json()["image_id"] for _ in range(5)]
    expected = ids if order == "oldest" else ids[::-1]
    first = idle.post("/album/images", album_id=album_id, limit=2, order=order).json()
    idle.post("/album/image/delete", album_id=album_id, image_id=expected[1])

    second = idle.post("/album/images", album_id=album_id, limit=2, order=order, after=first["next"]).json()
    third = idle.post("/album/images", album_id=album_id, limit=2, order=order, after=second["next"]).json()

    pages = [[image["id"] for image in page["images"]] for page in (first, second, third)]
    assert pages == [expected[:2], expected[2:4], expected[4:]]
    assert third["next"] is None


def test_failed_images_are_listed_until_they_are_deleted(album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.settled(album.upload(album_id, BROKEN))["image_id"]

    listed = album.post("/album/images", album_id=album_id).json()["images"]
    snapshot = album.post("/album/get", album_id=album_id).json()["album_snapshot"]
    album.post("/album/image/delete", album_id=album_id, image_id=image_id)
    later = album.post("/album/get", album_id=album_id).json()["album_snapshot"]

    assert [image["id"] for image in listed] == [image_id]
    assert (snapshot["content"], snapshot["content_count"]) == ([image_id], 1)
    assert (later["content"], later["content_count"]) == ([], 0)


def test_an_image_is_found_by_ids_in_upper_case(album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.ready(album_id, picture("PNG", 8, 8))["image_id"]

    answer = album.post("/album/image/get", album_id=album_id.upper(), image_id=image_id.upper())

    assert answer.status_code == 200


def test_an_image_of_an_unknown_album_is_not_found(album: AlbumClient) -> None:
    image_id = album.upload(album.create(), picture("PNG", 8, 8)).json()["image_id"]

    failed(album.post("/album/image/get", album_id=ABSENT, image_id=image_id), 404, "album-not-found")


if corpus := os.environ.get("ALBUM_CORPUS"):
    REAL = {"jpeg", "png", "webp", "heic", "avif"}
    UNSOUND = ("fuzz", "truncated", "bad-", "open-fails", "coded=")

    def real_pictures() -> list[Path]:
        """Those of the corpus that its manifest says are sound and inside the limits, a few of each format."""
        found: dict[str, list[Path]] = {}
        for line in (Path(corpus or "") / "manifest.tsv").read_text().splitlines()[1:]:
            path, _, _, format, size, *rest = line.split("\t")
            width, height = (int(part) for part in size.split("x")) if format in REAL and size else (0, 0)
            is_sound = not any(word in " ".join(rest) for word in UNSOUND)
            if is_sound and 0 < width <= 1920 and 0 < height <= 1080:
                found.setdefault(format, []).append(Path(corpus or "") / "files" / path)
        return [path for paths in found.values() for path in paths[:6]]

    def test_real_pictures_come_out_as_pictures_and_thumbnails(album: AlbumClient) -> None:
        paths = real_pictures()
        assert len(paths) > 10, f"there are no pictures in {corpus}"
        album_id = album.create()
        accepted = {path: album.upload(album_id, path.read_bytes(), path.name) for path in paths}

        jobs = {path: album.settled(answer) for path, answer in accepted.items()}

        assert not {path.name: job for path, job in jobs.items() if job["state"] != "ready"}
        for path, job in jobs.items():
            original = album.http.get(f"/album/{album_id}/image/{job['image_id']}?variant=original").content
            assert hashlib.sha256(original).digest() == hashlib.sha256(path.read_bytes()).digest()
            assert album.http.get(f"/album/thumbnail/{album_id}{job['image_id']}").status_code == 200
