"""Idempotency-Key: however often an upload is repeated, it makes one image."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import httpx
import pytest

from tests.journey.expect import failed, residue
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.raw import RawConnection, field, file, form
from tests.support.stack import Stack
from tests.support.waiting import eventually

SMALL = picture("PNG", 8, 8)
KEY = {"idempotency-key": "once"}


def images(album: AlbumClient, album_id: str) -> list[str]:
    content: list[str] = album.post("/album/get", album_id=album_id).json()["album_snapshot"]["content"]
    return content


def originals(stack: Stack, image_id: str) -> int:
    return len(stack.blobs(image_id=image_id, kind="original"))


def put(stack: Stack, *parts: bytes) -> httpx.Response:
    """An upload whose parts come in this order."""
    with RawConnection(stack.url) as raw:
        body = form(*parts)
        raw.begin(content_length=len(body), idempotency_key="once")
        raw.send(body)
        answer = raw.answer()
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def test_the_same_key_again_gives_the_same_answer_and_stores_nothing(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()

    first = album.upload(album_id, SMALL, headers=KEY)
    second = album.upload(album_id, SMALL, headers=KEY)

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert images(album, album_id) == [first.json()["image_id"]]
    assert originals(stack, first.json()["image_id"]) == 1
    eventually(lambda: not residue(stack.database), what="nothing of the second is left")


def test_the_key_counts_where_the_file_comes_first_too(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()

    first = put(stack, file(SMALL), field("album_id", album_id))
    second = put(stack, file(SMALL), field("album_id", album_id))

    assert first.json() == second.json()
    assert len(images(album, album_id)) == 1
    eventually(lambda: not residue(stack.database), what="nothing of the second is left")


def test_a_client_that_is_still_sending_hears_the_same_answer(stack: Stack, album: AlbumClient) -> None:
    album_id, large = album.create(), SMALL + bytes(20_000_000)

    first = put(stack, field("album_id", album_id), file(large))
    second = put(stack, field("album_id", album_id), file(large))

    assert first.json() == second.json()


def test_ten_uploads_at_once_under_one_key_make_one_image(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()

    def upload(_: int) -> dict[str, object]:
        while True:
            answer = album.upload(album_id, SMALL, headers=KEY)
            if answer.status_code == 202:
                body: dict[str, object] = answer.json()
                return body
            failed(answer, 409, "upload-in-progress")
            assert int(answer.headers["retry-after"]) > 0

    with ThreadPoolExecutor(10) as pool:
        bodies = list(pool.map(upload, range(10)))

    assert Counter(str(body) for body in bodies).most_common() == [(str(bodies[0]), 10)]
    assert images(album, album_id) == [bodies[0]["image_id"]]
    eventually(lambda: not residue(stack.database), what="nothing of the others is left")


def test_while_the_first_is_under_way_the_second_is_told_so(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()
    body = form(field("album_id", album_id), file(SMALL))
    with RawConnection(stack.url) as first:
        first.begin(content_length=len(body), idempotency_key="once")
        first.send(body[:-100])
        under_way = {"accepted": {"$exists": False}, "held_until": {"$gt": now()}}
        eventually(lambda: stack.database["idempotency"].find_one(under_way), what="it has begun")

        second = album.upload(album_id, SMALL, headers=KEY)
        first.send(body[-100:])

        failed(second, 409, "upload-in-progress")
        assert int(second.headers["retry-after"]) > 0
        assert first.answer().status_code == 202


def now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.mark.parametrize("is_first", [True, False], ids=["album first", "file first"])
def test_refusals_are_not_remembered(stack: Stack, album: AlbumClient, is_first: bool) -> None:
    album_id = album.create()
    parts = [field("album_id", album_id), file(b"not a picture")]

    refused = put(stack, *(parts if is_first else reversed(parts)))
    accepted = album.upload(album_id, SMALL, headers=KEY)

    assert (refused.status_code, accepted.status_code) == (415, 202)


def test_an_upload_that_broke_off_does_not_hold_its_key(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()
    body = form(field("album_id", album_id), file(SMALL + bytes(1_000_000)))
    with RawConnection(stack.url) as broken:
        broken.begin(content_length=len(body), idempotency_key="once")
        broken.send(body[:500_000])

    eventually(lambda: album.upload(album_id, SMALL, headers=KEY).status_code == 202, 10, "the key is free")


def test_a_key_counts_for_its_album_alone(album: AlbumClient) -> None:
    first = album.upload(album.create(), SMALL, headers=KEY)
    second = album.upload(album.create(), SMALL, headers=KEY)

    assert first.json()["image_id"] != second.json()["image_id"]


def test_another_key_makes_another_image(album: AlbumClient) -> None:
    album_id = album.create()

    album.upload(album_id, SMALL, headers=KEY)
    album.upload(album_id, SMALL, headers={"idempotency-key": "twice"})

    assert len(images(album, album_id)) == 2


def test_uploads_without_a_key_each_make_an_image(album: AlbumClient) -> None:
    album_id = album.create()

    album.upload(album_id, SMALL)
    album.upload(album_id, SMALL)

    assert len(images(album, album_id)) == 2


def test_a_key_is_kept_for_24_hours(stack: Stack, album: AlbumClient) -> None:
    image_id = album.upload(album.create(), SMALL, headers=KEY).json()["image_id"]

    kept = stack.database["idempotency"].find_one({"image_id": image_id})

    assert kept is not None
    assert timedelta(hours=23.9) < kept["expire_at"] - now() < timedelta(hours=24.1)


def test_an_empty_key_is_refused_since_it_would_make_all_uploads_one(album: AlbumClient) -> None:
    failed(album.upload(album.create(), SMALL, headers={"idempotency-key": ""}), 422, "invalid-request")


def test_a_known_key_is_asked_for_in_vain_once_its_album_is_deleted(album: AlbumClient) -> None:
    album_id = album.create()
    album.upload(album_id, SMALL, headers=KEY)
    album.post("/album/delete", album_id=album_id)

    failed(album.upload(album_id, SMALL, headers=KEY), 404, "album-not-found")
