"""How the web page's files are sent."""

from __future__ import annotations

from tests.support.client import AlbumClient
from tests.support.pictures import picture

SCRIPT = "/assets/any/scripts/main.js"


def test_the_pages_files_are_compressed_for_those_who_take_it(album: AlbumClient) -> None:
    plain = album.http.get(SCRIPT, headers={"accept-encoding": "identity"})
    packed = album.http.get(SCRIPT, headers={"accept-encoding": "gzip"})

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) * 0.6
    assert packed.content == plain.content
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"


def test_a_compressed_file_is_asked_about_and_not_sent_again(album: AlbumClient) -> None:
    first = album.http.get(SCRIPT, headers={"accept-encoding": "gzip"})

    again = album.http.get(SCRIPT, headers={"accept-encoding": "gzip", "if-none-match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["etag"].startswith("W/"), "one tag for bytes that differ"


def test_no_part_of_a_file_is_taken_for_a_part_of_the_compressed_one(album: AlbumClient) -> None:
    whole = album.http.get(SCRIPT, headers={"accept-encoding": "gzip"})
    part = {"accept-encoding": "gzip", "range": "bytes=10-19"}

    alone = album.http.get(SCRIPT, headers=part)
    resumed = album.http.get(SCRIPT, headers={**part, "if-range": whole.headers["etag"]})

    assert {(each.status_code, each.content) for each in (alone, resumed)} == {(200, whole.content)}


def test_pictures_are_sent_as_they_are(album: AlbumClient) -> None:
    album_id = album.create()
    job = album.ready(album_id, picture("PNG", 320, 240))
    image_id = job["image_id"]

    answer = album.http.get(f"/album/{album_id}/image/{image_id}", headers={"accept-encoding": "gzip"})

    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers
