"""Addresses for ``<img>`` and caches (RFC 9110): entity tags, conditional requests, ranges."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import httpx
import pytest
from PIL import Image

from tests.journey.expect import failed, processing
from tests.support.client import AlbumClient
from tests.support.pictures import encoded, picture
from tests.support.stack import Stack

CHUNK_BYTES = 255 * 1024


@dataclass(frozen=True)
class Shown:
    """One ready picture and where it is."""

    address: str
    thumbnail: str
    content: bytes

    @property
    def length(self) -> int:
        return len(self.content)


@pytest.fixture(scope="module")
def shown(stack: Stack) -> Shown:
    """A picture of several chunks."""
    noise = Image.merge("RGB", [Image.effect_noise((700, 500), 100) for _ in range(3)])
    with stack.client() as album:
        album_id = album.create()
        image_id = album.ready(album_id, encoded(noise, "PNG"), "Über.png")["image_id"]
        content = album.post("/album/image/get", album_id=album_id, image_id=image_id).content
        assert len(content) > 3 * CHUNK_BYTES
        return Shown(f"/album/{album_id}/image/{image_id}", f"/album/thumbnail/{album_id}{image_id}", content)


def get(album: AlbumClient, shown: Shown, method: str = "GET", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return album.http.request(method, shown.address, headers=named)


def test_a_picture_may_be_kept_for_ever_under_its_strong_entity_tag(album: AlbumClient, shown: Shown) -> None:
    answer = get(album, shown)

    assert (answer.status_code, answer.content) == (200, shown.content)
    assert answer.headers["etag"] == f'"{hashlib.sha256(shown.content).hexdigest()}"'
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(shown.length)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "image/png"
    assert "content-disposition" not in answer.headers


def test_a_thumbnail_may_be_kept_for_ever_too(album: AlbumClient, shown: Shown) -> None:
    answer = album.http.get(shown.thumbnail)

    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "image/webp"


def test_an_original_is_a_download_with_its_name(album: AlbumClient, shown: Shown) -> None:
    answer = album.http.get(f"{shown.address}?variant=original")

    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%9Cber.png"
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'


def test_head_answers_with_the_headers_of_get_and_no_body(album: AlbumClient, shown: Shown) -> None:
    def told(answer: httpx.Response) -> dict[str, str]:
        return {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}

    head = get(album, shown, "HEAD")

    assert (head.status_code, head.content) == (200, b"")
    assert told(head) == told(get(album, shown))
    assert album.http.head(shown.thumbnail).status_code == 200


def test_a_range_asked_for_with_head_is_passed_over(album: AlbumClient, shown: Shown) -> None:
    answer = get(album, shown, "HEAD", range="bytes=0-9")

    assert (answer.status_code, answer.headers["content-length"]) == (200, str(shown.length))


@pytest.mark.parametrize("tags", ["{}", "W/{}", '"other", {}', "*", '"other",W/{}'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_client_has_is_not_sent_again(album: AlbumClient, shown: Shown, method: str, tags: str) -> None:
    etag = get(album, shown, "HEAD").headers["etag"]

    answer = get(album, shown, method, if_none_match=tags.format(etag))

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == etag
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


def test_what_the_client_has_may_be_listed_in_several_fields(album: AlbumClient, shown: Shown) -> None:
    etag = get(album, shown, "HEAD").headers["etag"]
    fields = [("if-none-match", '"other"'), ("if-none-match", etag)]

    assert album.http.get(shown.address, headers=fields).status_code == 304


def test_what_the_client_has_of_another_picture_is_sent(album: AlbumClient, shown: Shown) -> None:
    assert get(album, shown, if_none_match='"other"').status_code == 200


RANGES = [
    ("bytes=0-0", 0, 1),
    ("bytes=0-", 0, None),
    ("bytes=10-19", 10, 20),
    ("bytes=-10", -10, None),
    ("Bytes=5-9", 5, 10),
    (f"bytes={CHUNK_BYTES - 1}-{CHUNK_BYTES}", CHUNK_BYTES - 1, CHUNK_BYTES + 1),
    (f"bytes={CHUNK_BYTES}-{2 * CHUNK_BYTES - 1}", CHUNK_BYTES, 2 * CHUNK_BYTES),
    (f"bytes={CHUNK_BYTES // 2}-", CHUNK_BYTES // 2, None),
    ("bytes=100-99999999999", 100, None),
    ("bytes=-99999999999", 0, None),
]


@pytest.mark.parametrize(("asked", "start", "stop"), RANGES, ids=[asked for asked, _, _ in RANGES])
def test_a_range_is_answered_with_those_bytes(
    album: AlbumClient, shown: Shown, asked: str, start: int, stop: int | None
) -> None:
    answer = get(album, shown, range=asked)

    expected = shown.content[start:stop]
    first = start if start >= 0 else shown.length + start
    assert (answer.status_code, answer.content) == (206, expected)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{shown.length}"
    assert answer.headers["content-length"] == str(len(expected))


@pytest.mark.parametrize("start", ["{}-", "{}-99999999999", "99999999999999999999999-", "-0"])
def test_a_range_beyond_the_end_cannot_be_satisfied(album: AlbumClient, shown: Shown, start: str) -> None:
    answer = get(album, shown, range="bytes=" + start.format(shown.length))

    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{shown.length}"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=0-1", "bytes=5-1", "bytes=", "bytes=-", "bytes=a-b", "0-1"])
def test_a_range_that_is_not_one_range_of_bytes_is_passed_over(album: AlbumClient, shown: Shown, asked: str) -> None:
    answer = get(album, shown, range=asked)

    assert (answer.status_code, len(answer.content)) == (200, shown.length)


@pytest.mark.parametrize(("tag", "status"), [("same", 206), ('"other"', 200), ("Sun, 22 Nov 2026 08:00:00 GMT", 200)])
def test_a_range_of_what_has_changed_is_answered_with_all_of_it(
    album: AlbumClient, shown: Shown, tag: str, status: int
) -> None:
    etag = get(album, shown, "HEAD").headers["etag"]

    answer = get(album, shown, range="bytes=0-9", if_range=etag if tag == "same" else tag)

    assert answer.status_code == status


def test_a_range_of_what_the_client_has_is_not_sent_again(album: AlbumClient, shown: Shown) -> None:
    etag = get(album, shown, "HEAD").headers["etag"]

    assert get(album, shown, range="bytes=0-9", if_none_match=etag).status_code == 304


def test_a_queued_picture_is_answered_as_processing_and_kept_by_no_cache(idle: AlbumClient) -> None:
    album_id = idle.create()
    accepted = idle.upload(album_id, picture("PNG", 8, 8)).json()

    processing(idle.http.get(f"/album/{album_id}/image/{accepted['image_id']}"), "queued", accepted["job_id"])
    processing(idle.http.get(f"/album/thumbnail/{accepted['thumbnail_id']}"), "queued", accepted["job_id"])
    assert idle.http.head(f"/album/{album_id}/image/{accepted['image_id']}").status_code == 202


def test_a_failed_picture_answers_with_the_jobs_code(album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.settled(album.upload(album_id, picture("JPEG")[:400]))["image_id"]

    failed(album.http.get(f"/album/{album_id}/image/{image_id}"), 422, "truncated-image")
    failed(album.http.get(f"/album/thumbnail/{album_id}{image_id}"), 422, "truncated-image")


def test_ids_in_an_address_may_be_in_upper_case(album: AlbumClient, shown: Shown) -> None:
    _, _, album_id, _, image_id = shown.address.split("/")

    assert album.http.get(f"/album/{album_id.upper()}/image/{image_id.upper()}").status_code == 200
    assert album.http.get(f"/album/thumbnail/{(album_id + image_id).upper()}").status_code == 200
