"""Creating, reading and listing albums."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.journey.expect import ABSENT, failed, is_time, is_uuid, succeeded
from tests.support.client import AlbumClient
from tests.support.keys import make_key, with_key
from tests.support.pictures import picture
from tests.support.stack import Stack

SNAPSHOT = {"id", "name", "create_date", "content", "content_count", "next"}


def filled(album: AlbumClient, count: int) -> tuple[str, list[str]]:
    """An album with so many images; its id and theirs, in order of acceptance."""
    album_id, content = album.create(), picture("PNG", 8, 8)
    return album_id, [album.upload(album_id, content).json()["image_id"] for _ in range(count)]


def test_a_new_album_is_answered_as_an_empty_snapshot(album: AlbumClient) -> None:
    body = succeeded(album.post("/album/create", album_name="Summer"), 201, "album_snapshot")

    snapshot = body["album_snapshot"]
    assert set(snapshot) == SNAPSHOT
    assert is_uuid(snapshot.pop("id"))
    assert is_time(snapshot.pop("create_date"))
    assert snapshot == {"name": "Summer", "content": [], "content_count": 0, "next": None}


def test_an_album_may_be_created_with_name_instead_of_album_name(album: AlbumClient) -> None:
    answer = album.post("/album/create", name="Winter")

    assert answer.status_code == 201
    assert answer.json()["album_snapshot"]["name"] == "Winter"


def test_an_album_may_be_created_under_an_id_of_the_clients_choice(album: AlbumClient) -> None:
    wanted = str(uuid.uuid4())

    answer = album.post("/album/create", album_name="Summer", album_id=wanted)

    assert answer.json()["album_snapshot"]["id"] == wanted


def test_an_album_id_that_is_taken_is_refused(album: AlbumClient) -> None:
    taken = album.create()

    failed(album.post("/album/create", album_name="Second", album_id=taken), 409, "album-exists")


def test_the_id_of_a_deleted_album_stays_taken(album: AlbumClient) -> None:
    taken = album.create()
    album.post("/album/delete", album_id=taken)

    failed(album.post("/album/create", album_name="Second", album_id=taken), 409, "album-exists")


def test_an_id_is_the_same_in_upper_and_lower_case(album: AlbumClient) -> None:
    lower = str(uuid.uuid4())
    created = album.post("/album/create", album_name="Summer", album_id=lower.upper())

    found = album.post("/album/get", album_id=lower.upper())

    assert created.json()["album_snapshot"]["id"] == found.json()["album_snapshot"]["id"] == lower


@pytest.mark.parametrize("name", ["S", "é" * 255, "🏖" * 255, " ", "a\u0000b", "../../etc/passwd"])
def test_names_of_1_to_255_characters_come_back_as_given(album: AlbumClient, name: str) -> None:
    created = album.post("/album/create", album_name=name)

    album_id = created.json()["album_snapshot"]["id"]
    assert album.post("/album/get", album_id=album_id).json()["album_snapshot"]["name"] == name


@pytest.mark.parametrize("name", ["", "a" * 256, "a" * 100_000, None, 5, ["a"], {"a": 1}])
def test_names_that_are_not_1_to_255_characters_are_refused(album: AlbumClient, name: object) -> None:
    failed(album.post("/album/create", album_name=name), 422, "invalid-request")


def test_an_album_without_a_name_is_refused(album: AlbumClient) -> None:
    failed(album.post("/album/create"), 422, "invalid-request")


def test_an_album_lists_its_images_in_order_of_acceptance(album: AlbumClient) -> None:
    album_id, images = filled(album, 3)

    body = succeeded(album.post("/album/get", album_id=album_id), 200, "album_snapshot")

    snapshot = body["album_snapshot"]
    assert set(snapshot) == SNAPSHOT
    assert (snapshot["content"], snapshot["content_count"], snapshot["next"]) == (images, 3, None)


def test_an_unknown_album_is_not_found(album: AlbumClient) -> None:
    failed(album.post("/album/get", album_id=ABSENT), 404, "album-not-found")


def test_the_pages_of_an_album_follow_each_other_without_gap_or_repetition(album: AlbumClient) -> None:
    album_id, images = filled(album, 5)

    first = album.post("/album/get", album_id=album_id, limit=2).json()["album_snapshot"]
    second = album.post("/album/get", album_id=album_id, limit=2, after=first["next"]).json()["album_snapshot"]
    third = album.post("/album/get", album_id=album_id, limit=2, after=second["next"]).json()["album_snapshot"]

    assert [first["content"], second["content"], third["content"]] == [images[:2], images[2:4], images[4:]]
    assert third["next"] is None
    assert first["content_count"] == second["content_count"] == third["content_count"] == 5


def test_a_page_that_ends_with_the_last_image_has_no_next(album: AlbumClient) -> None:
    album_id, _ = filled(album, 2)

    snapshot = album.post("/album/get", album_id=album_id, limit=2).json()["album_snapshot"]

    assert snapshot["next"] is None


def test_next_survives_the_deletion_of_its_image(album: AlbumClient) -> None:
    album_id, images = filled(album, 3)
    page = album.post("/album/get", album_id=album_id, limit=1).json()["album_snapshot"]
    album.post("/album/image/delete", album_id=album_id, image_id=images[0])

    rest = album.post("/album/get", album_id=album_id, after=page["next"]).json()["album_snapshot"]

    assert (rest["content"], rest["content_count"]) == (images[1:], 2)


def test_albums_are_listed_newest_first_without_their_content(album: AlbumClient) -> None:
    older, newer = album.create("Older"), album.create("Newer")

    body = succeeded(album.post("/album/list", limit=10_000), 200, "albums", "next")

    listed = [one["id"] for one in body["albums"]]
    assert listed.index(newer) < listed.index(older)
    assert all(set(one) == {"id", "name", "create_date", "content_count"} for one in body["albums"])


def test_the_pages_of_the_list_hold_every_album_once(guarded: Stack) -> None:
    with with_key(guarded, make_key(guarded, "of-five-albums")) as album:
        created = [album.create(f"Album {number}") for number in range(5)]
        pages, after = [], None
        while True:
            body = album.post("/album/list", limit=2, after=after).json()
            pages.append([one["id"] for one in body["albums"]])
            after = body["next"]
            if after is None:
                break
            album.post("/album/delete", album_id=pages[-1][-1])

    assert pages == [created[:2:-1], created[2:0:-1], created[:1]]


def test_a_deleted_album_is_not_listed(album: AlbumClient) -> None:
    gone = album.create()
    album.post("/album/delete", album_id=gone)

    assert gone not in [one["id"] for one in album.post("/album/list", limit=10_000).json()["albums"]]


@pytest.mark.parametrize("path", ["/album/get", "/album/list", "/album/images"])
@pytest.mark.parametrize("limit", [0, -1, 10_001, 1.5, "5", True, [], 10**30])
def test_a_limit_outside_1_to_10000_is_refused(album: AlbumClient, path: str, limit: object) -> None:
    failed(album.post(path, album_id=ABSENT, limit=limit), 422, "invalid-request")


@pytest.mark.parametrize(
    ("path", "name", "sentence"),
    [
        ("/album/get", "album_id", "album_id: must be a UUID such as 123e4567-e89b-42d3-a456-426614174000"),
        ("/job/get", "job_id", "job_id: must be the image's id followed by job, as the upload's answer gives it"),
        (
            "/album/thumbnail/get",
            "thumbnail_id",
            "thumbnail_id: must be the album's id followed by the image's, as the upload's answer gives it",
        ),
    ],
)
def test_an_id_that_is_none_is_refused_in_words(album: AlbumClient, path: str, name: str, sentence: str) -> None:
    refused = album.post(path, **{name: f"{ABSENT}x"})

    failed(refused, 422, "invalid-request")
    assert refused.json()["message"] == sentence


@pytest.mark.parametrize("limit", [1, 10_000])
def test_limits_of_1_and_10000_are_taken(album: AlbumClient, limit: int) -> None:
    album_id = album.create()

    for path in ("/album/get", "/album/list", "/album/images"):
        assert album.post(path, album_id=album_id, limit=limit).status_code == 200


@pytest.mark.parametrize("path", ["/album/get", "/album/list", "/album/images", "/admin/dead-letters"])
def test_a_limit_may_be_written_with_a_point_and_a_nought(album: AlbumClient, path: str) -> None:
    album_id = album.create()

    assert album.post(path, album_id=album_id, limit=1.0).status_code == 200


FORGED = {
    "nonsense": "nonsense",
    "empty": "",
    "not base64": "%%%",
    "an object": "e30",
    "a number": "NQ",
    "two numbers": "WzEsMl0",
    "a text": "WyJhIl0",
    "a boolean": "W3RydWVd",
    "a number beyond 64 bits": "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5XQ",
    "a date and a lone surrogate": "W3sidCI6IjIwMjYtMTEtMjJUMDg6MDA6MDArMDA6MDAifSwiXHVkODAwIl0",
    "a date before all dates": "W3sidCI6IjAwMDEtMDEtMDFUMDA6MDA6MDArMjM6NTkifSwiYSJd",
    "deep nesting": "W1tb" * 100_000,
}


@pytest.mark.parametrize("path", ["/album/get", "/album/list", "/album/images"])
@pytest.mark.parametrize("after", FORGED.values(), ids=FORGED.keys())
def test_a_token_that_no_page_gave_is_refused(album: AlbumClient, path: str, after: str) -> None:
    failed(album.post(path, album_id=album.create(), after=after), 422, "invalid-request")


def test_content_counts_are_exact_while_uploads_and_deletions_cross(stack: Stack, album: AlbumClient) -> None:
    album_id, content = album.create(), picture("PNG", 8, 8)

    def put_and_take(number: int) -> None:
        image_id = album.upload(album_id, content).json()["image_id"]
        if number % 2:
            assert album.post("/album/image/delete", album_id=album_id, image_id=image_id).status_code == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put_and_take, range(24)))

    snapshot = album.post("/album/get", album_id=album_id).json()["album_snapshot"]
    assert snapshot["content_count"] == len(snapshot["content"]) == 12
    assert [document["order"] for document in stack.database["images"].find({"album_id": album_id}).sort("order")] == [
        *range(24)
    ]
