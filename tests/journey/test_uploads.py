"""Uploads that are accepted: what may differ between them, and what the answer promises."""

from __future__ import annotations

import itertools
import uuid
from pathlib import Path

import pytest

from deploy.local import rabbitmq
from deploy.local.node import running
from tests.journey.drawn import plain
from tests.journey.expect import is_uuid, succeeded
from tests.support.client import AlbumClient
from tests.support.pictures import FORMATS, picture
from tests.support.raw import END, RawConnection, field, file, file_head, form
from tests.support.stack import StartStack

SMALL = picture("JPEG", 32, 24)


def card(album: AlbumClient, album_id: str, image_id: str) -> dict[str, object]:
    image: dict[str, object] = album.post("/album/image/info", album_id=album_id, image_id=image_id).json()["image"]
    return image


def uploaded_name(album: AlbumClient, filename: str, image_name: str | None = None) -> object:
    """The name under which an upload is kept."""
    album_id = album.create()
    fields = {} if image_name is None else {"image_name": image_name}
    accepted = album.upload(album_id, SMALL, filename, None, **fields)
    assert accepted.status_code == 202, accepted.text
    return card(album, album_id, accepted.json()["image_id"])["name"]


def test_an_accepted_upload_is_answered_with_its_three_ids(album: AlbumClient) -> None:
    album_id = album.create()

    body = succeeded(album.upload(album_id, SMALL), 202, "job_id", "image_id", "thumbnail_id")

    assert is_uuid(body["image_id"])
    assert body["job_id"] == body["image_id"] + "job"
    assert body["thumbnail_id"] == album_id + body["image_id"]


def test_an_upload_stands_in_its_album_from_its_202_on(album: AlbumClient) -> None:
    album_id = album.create()

    image_id = album.upload(album_id, SMALL).json()["image_id"]

    snapshot = album.post("/album/get", album_id=album_id).json()["album_snapshot"]
    assert (snapshot["content"], snapshot["content_count"]) == ([image_id], 1)


@pytest.mark.parametrize("order", [*itertools.permutations(("album_id", "image_name", "image"))], ids="-".join)
def test_parts_may_come_in_any_order(stack_url: str, album: AlbumClient, order: tuple[str, ...]) -> None:
    album_id = album.create()
    parts = {"album_id": field("album_id", album_id), "image_name": field("image_name", "mine"), "image": file(SMALL)}
    body = form(*(parts[name] for name in order))

    with RawConnection(stack_url) as raw:
        raw.begin(content_length=len(body))
        raw.send(body)
        answer = raw.answer()

    assert answer.status_code == 202, answer.text
    assert card(album, album_id, answer.json()["image_id"])["name"] == "mine"


def test_parts_that_are_not_known_are_passed_over(stack_url: str, album: AlbumClient) -> None:
    album_id = album.create()
    strange = (field("caption", "x" * 100_000), file(b"y" * 100_000, name="other"))
    body = form(*strange, field("album_id", album_id), file(SMALL))

    with RawConnection(stack_url) as raw:
        raw.begin(content_length=len(body))
        raw.send(body)
        assert raw.answer().status_code == 202


def test_an_upload_needs_no_content_length(stack_url: str, album: AlbumClient) -> None:
    body = form(field("album_id", album.create()), file(SMALL))

    with RawConnection(stack_url) as raw:
        raw.begin(transfer_encoding="chunked")
        for byte in body:
            raw.send_chunk(bytes([byte]))
        raw.send_chunk(b"")
        assert raw.answer().status_code == 202


def test_a_client_that_asks_to_continue_is_told_to(stack_url: str, album: AlbumClient) -> None:
    body = form(field("album_id", album.create()), file(SMALL))

    with RawConnection(stack_url) as raw:
        raw.begin(content_length=len(body), expect="100-continue")
        told = raw.socket.recv(1000)
        raw.send(body)
        assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert raw.answer().status_code == 202


def test_one_connection_takes_one_upload_after_another(stack_url: str, album: AlbumClient) -> None:
    body = form(field("album_id", album.create()), file(SMALL))

    with RawConnection(stack_url) as raw:
        for _ in range(3):
            raw.begin(content_length=len(body))
            raw.send(body)
            assert raw.answer().status_code == 202


@pytest.mark.parametrize("offer", ["h2c", "TLS/1.2, H2C "])
def test_a_client_that_would_rather_speak_another_protocol_is_heard_all_the_same(
    stack_url: str, album: AlbumClient, offer: str
) -> None:
    album_id, upload = album.create(), SMALL + b"\r\nUpgrade: h2c\r\n"
    body = form(field("album_id", album_id), file(upload))

    with RawConnection(stack_url) as raw:
        for _ in range(2):
            raw.begin(connection="Upgrade, HTTP2-Settings", content_length=len(body), http2_settings="", upgrade=offer)
            raw.send(body)
            answer = raw.answer()
            assert answer.status_code == 202
            original = album.http.get(f"/album/{album_id}/image/{answer.json()['image_id']}?variant=original")
            assert original.content == upload


def test_an_image_is_named_after_its_file(album: AlbumClient) -> None:
    assert uploaded_name(album, "beach.jpg") == "beach.jpg"


def test_image_name_goes_before_the_files_name(album: AlbumClient) -> None:
    assert uploaded_name(album, "IMG_0001.jpg", image_name="The beach") == "The beach"


@pytest.mark.parametrize("filename", ["/home/me/beach.jpg", "C:\\photos\\beach.jpg", "../../beach.jpg"])
def test_only_the_last_component_of_a_files_path_is_its_name(album: AlbumClient, filename: str) -> None:
    assert uploaded_name(album, filename) == "beach.jpg"


@pytest.mark.parametrize("name", ["n", "é" * 255, "🏖" * 255])
def test_image_names_of_1_to_255_characters_come_back_as_given(album: AlbumClient, name: str) -> None:
    assert uploaded_name(album, "beach.jpg", image_name=name) == name


def test_a_files_name_may_be_in_any_script(stack_url: str, album: AlbumClient) -> None:
    album_id = album.create()
    body = form(field("album_id", album_id), file(SMALL, "海辺 über.jpg"))

    with RawConnection(stack_url) as raw:
        raw.begin(content_length=len(body))
        raw.send(body)
        answer = raw.answer()

    assert card(album, album_id, answer.json()["image_id"])["name"] == "海辺 über.jpg"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("lie", ["jpg", "png", "webp", "heic", "avif", "gif", "exe", "txt"])
def test_names_and_declared_types_say_nothing_about_the_format(
    stack_url: str, album: AlbumClient, small: dict[str, bytes], format: str, lie: str
) -> None:
    album_id = album.create()
    body = form(field("album_id", album_id), file(small[format], f"beach.{lie}", content_type=f"image/{lie}"))

    with RawConnection(stack_url) as raw:
        raw.begin(content_length=len(body))
        raw.send(body)
        accepted = raw.answer()

    job = album.job(accepted.json()["job_id"], wait_seconds=30)
    assert job["state"] == "ready", job


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_of_exactly_1920x1080_becomes_ready(album: AlbumClient, format: str) -> None:
    album_id = album.create()

    image_id = album.ready(album_id, plain(format, 1920, 1080))["image_id"]

    shown = card(album, album_id, image_id)
    assert (shown["width"], shown["height"]) == (1920, 1080)


def test_portraits_use_the_limits_turned_where_the_operator_says_so(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_LIMIT_ANY_ORIENTATION="true")
    with stack.client() as album:
        assert album.upload(album.create(), plain("JPEG", 1080, 1920)).status_code == 202
        assert album.upload(album.create(), plain("JPEG", 1081, 1920)).status_code == 422


def test_a_file_of_exactly_the_most_bytes_is_accepted(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_MAX_BYTES=str(len(SMALL) + 100_000))
    with stack.client() as album:
        assert album.upload(album.create(), SMALL + bytes(100_000)).status_code == 202
        assert album.upload(album.create(), SMALL + bytes(100_001)).status_code == 413


def test_uploads_are_accepted_while_the_broker_is_away_and_encoded_once_it_is_back(
    start_stack: StartStack, tmp_path: Path
) -> None:
    with running(rabbitmq.prepare(tmp_path)) as (broker,):
        stack = start_stack(ALBUM_AMQP_URL=broker.url)
        with stack.client() as album:
            album_id = album.create()
            broker.stop()
            accepted = [album.upload(album_id, SMALL) for _ in range(5)]
            broker.restart()

            assert [album.settled(answer)["state"] for answer in accepted] == ["ready"] * 5


def test_an_upload_may_take_longer_than_one_look_at_it(stack_url: str, album: AlbumClient) -> None:
    content = SMALL + bytes(3_000_000)
    pieces = [file_head() + content[:600], content[600:400_000], content[400_000:], b"\r\n"]

    with RawConnection(stack_url) as raw:
        raw.begin(transfer_encoding="chunked")
        raw.send_chunk(field("album_id", album.create()))
        for piece in pieces:
            raw.send_chunk(piece)
        raw.send_chunk(END)
        raw.send_chunk(b"")
        accepted = raw.answer()

    assert uuid.UUID(accepted.json()["image_id"])
