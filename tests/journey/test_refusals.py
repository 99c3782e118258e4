"""Uploads that are refused: with which answer, at what cost, and that nothing of them stays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.journey.drawn import plain
from tests.journey.expect import ABSENT, failed, residue
from tests.support.client import AlbumClient
from tests.support.pictures import FORMATS, encoded, picture, scene
from tests.support.raw import BOUNDARY, END, UPLOAD, RawConnection, field, file, file_head, form
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

SMALL = picture("JPEG", 32, 24)
MEBIBYTE = 1024 * 1024
MAX_BYTES = 52_428_800
DRAIN_BYTES = 8 * MEBIBYTE
DRAIN_SECONDS = 2.0
KERNEL_BYTES = 12 * MEBIBYTE
"""What the buffers of both ends of a connection on this machine may hold beside what the server has read."""


@pytest.fixture(autouse=True)
def nothing_is_left(stack: Stack) -> Iterator[None]:
    """Whatever a test uploads: neither chunk nor record of what was refused stays."""
    yield
    eventually(lambda: not residue(stack.database), what="no residue of refused uploads")


def submit(stack: Stack, body: bytes, content_type: str = f"multipart/form-data; boundary={BOUNDARY}") -> Any:
    with RawConnection(stack.url) as raw:
        raw.begin(content_type=content_type, content_length=len(body))
        raw.send(body)
        return raw.answer()


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Like `failed`, for the answers of raw connections too."""
    return failed(httpx.Response(answer.status_code, headers=answer.headers, content=answer.content), status, code)


@pytest.mark.parametrize("is_declared", [True, False], ids=["with length", "without length"])
def test_a_long_upload_to_an_unknown_album_is_refused_before_its_file_is_sent(stack: Stack, is_declared: bool) -> None:
    start = field("album_id", ABSENT) + file_head()
    with RawConnection(stack.url) as raw:
        if is_declared:
            raw.begin(content_length=2 * MEBIBYTE)
            raw.send(start)
        else:
            raw.begin(transfer_encoding="chunked")
            raw.send(b"%x\r\n%s\r\n" % (len(start), start))

        refused(raw.answer(), 404, "album-not-found")


@pytest.mark.parametrize("is_last", [False, True], ids=["before the file", "after the file"])
def test_an_unknown_album_is_refused(stack: Stack, is_last: bool) -> None:
    parts = [field("album_id", ABSENT), file(SMALL)]

    refused(submit(stack, form(*(reversed(parts) if is_last else parts))), 404, "album-not-found")


def test_a_deleted_album_takes_no_uploads(album: AlbumClient) -> None:
    album_id = album.create()
    album.post("/album/delete", album_id=album_id)

    failed(album.upload(album_id, SMALL), 404, "album-not-found")


OTHERS = {
    "gif": encoded(Image.new("P", (8, 8)), "GIF"),
    "bmp": encoded(Image.new("RGB", (8, 8)), "BMP"),
    "tiff": encoded(Image.new("RGB", (8, 8)), "TIFF"),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "pdf": b"%PDF-1.7\n" + bytes(100),
    "text": b"not a picture",
    "one byte": b"\xff",
    "a cut magic": b"\x89PNG",
    "mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100),
    "html": b"<!doctype html><script>alert(1)</script>",
    "zeroes": bytes(300_000),
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_no_picture_of_a_known_format_is_refused_whatever_its_name(album: AlbumClient, content: bytes) -> None:
    failed(album.upload(album.create(), content, "beach.jpg"), 415, "unsupported-format")


def test_an_empty_file_is_refused(album: AlbumClient) -> None:
    failed(album.upload(album.create(), b""), 422, "empty-file")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(1921, 1080), (1920, 1081), (1080, 1920)], ids=lambda size: "{}x{}".format(*size))
def test_a_picture_beyond_1920x1080_is_refused_with_limit_and_size(
    album: AlbumClient, format: str, size: tuple[int, int]
) -> None:
    body = failed(album.upload(album.create(), plain(format, *size)), 422, "dimensions-too-large")

    assert body == {
        "status": "fail",
        "code": "dimensions-too-large",
        "message": f"the image is {size[0]}x{size[1]} pixels; at most 1920x1080 is accepted",
        "limit": {"width": 1920, "height": 1080},
        "actual": {"width": size[0], "height": size[1]},
    }


def test_a_picture_beyond_the_limits_is_refused_though_its_header_comes_late(album: AlbumClient) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 60_000
    late = encoded(Image.new("RGB", (1921, 1080)), "JPEG", exif=exif.tobytes())

    failed(album.upload(album.create(), late), 422, "dimensions-too-large")


def test_limits_of_the_operator_are_told_in_the_refusal(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_MAX_WIDTH="100", ALBUM_MAX_HEIGHT="50")
    with stack.client() as album:
        body = failed(album.upload(album.create(), picture("PNG", 101, 50)), 422, "dimensions-too-large")

    assert (body["limit"], body["actual"]) == ({"width": 100, "height": 50}, {"width": 101, "height": 50})


ID = "11111111-1111-4111-8111-111111111111"
ODD_BODIES = {
    "no parts": form(),
    "nothing": b"",
    "no album_id": form(file(SMALL)),
    "not an id": form(field("album_id", "summer"), file(SMALL)),
    "an id and more": form(field("album_id", ID + "\n"), file(SMALL)),
    "an id in braces": form(field("album_id", "{" + ID + "}"), file(SMALL)),
    "no id": form(field("album_id", ""), file(SMALL)),
    "a very long id": form(field("album_id", "1" * 100_000), file(SMALL)),
    "an id of null bytes": form(field("album_id", "\0" * 36), file(SMALL)),
    "no closing boundary": form(file(SMALL))[: -len(END)],
    "cut in a part": form(file(SMALL))[:200],
    "not multipart at all": b"hello",
    "a header without end": f"--{BOUNDARY}\r\n".encode() + b"x" * 100_000,
    "many headers": f"--{BOUNDARY}\r\n".encode() + b"a: b\r\n" * 1000 + b"\r\n" + END,
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES.keys())
def test_a_form_that_is_not_what_was_asked_for_is_refused(stack: Stack, body: bytes) -> None:
    refused(submit(stack, body), 422, "invalid-request")


def test_a_form_without_a_file_is_refused(stack: Stack, album: AlbumClient) -> None:
    refused(submit(stack, form(field("album_id", album.create()))), 422, "invalid-request")


@pytest.mark.parametrize("twice", ["album_id", "image_name", "image"])
def test_a_part_given_twice_is_refused(stack: Stack, album: AlbumClient, twice: str) -> None:
    album_id = album.create()
    parts = {"album_id": field("album_id", album_id), "image_name": field("image_name", "mine"), "image": file(SMALL)}

    refused(submit(stack, form(*parts.values(), parts[twice])), 422, "invalid-request")


@pytest.mark.parametrize("name", ["", "n" * 256, "n" * 5000], ids=len)
def test_an_image_name_that_is_not_1_to_255_characters_is_refused(album: AlbumClient, name: str) -> None:
    failed(album.upload(album.create(), SMALL, image_name=name), 422, "invalid-request")


def test_a_wrong_image_name_is_refused_before_the_file_is_looked_at(stack: Stack, album: AlbumClient) -> None:
    body = form(field("album_id", album.create()), field("image_name", "n" * 256), file(b"not a picture"))

    refused(submit(stack, body), 422, "invalid-request")


@pytest.mark.parametrize("filename", ["", "n" * 256, "photos/"])
def test_a_file_whose_name_cannot_be_the_images_needs_an_image_name(
    stack: Stack, album: AlbumClient, filename: str
) -> None:
    body = form(field("album_id", album.create()), file(SMALL, filename))

    refused(submit(stack, body), 422, "invalid-request")


def test_a_name_that_is_not_utf8_is_refused(stack: Stack, album: AlbumClient) -> None:
    name = field("image_name", "?").replace(b"?", b"\xff\xfe")

    refused(submit(stack, form(field("album_id", album.create()), name, file(SMALL))), 422, "invalid-request")


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=x", "multipart/form-data; boundary=",
     "multipart/form-data; boundary=" + "x" * 300, "image/jpeg", ";;;"],
)  # fmt: skip
def test_a_body_of_another_type_is_refused(stack: Stack, content_type: str) -> None:
    refused(submit(stack, form(file(SMALL)), content_type=content_type), 422, "invalid-request")


def filler(total: int, start: bytes = b"") -> Iterator[bytes]:
    """``start``, then zeroes, so many bytes in all."""
    yield start
    piece = bytes(MEBIBYTE)
    for position in range(len(start), total, MEBIBYTE):
        yield piece[: total - position]


@pytest.mark.parametrize("is_declared", [True, False], ids=["with length", "without length"])
def test_a_file_of_51_mebibytes_is_refused(stack: Stack, album: AlbumClient, is_declared: bool) -> None:
    start, size = field("album_id", album.create()) + file_head(), 51 * MEBIBYTE
    with RawConnection(stack.url) as raw:
        if is_declared:
            raw.begin(content_length=len(start) + size + 2 + len(END))
            raw.pour([start, *filler(size, SMALL), b"\r\n" + END])
        else:
            raw.begin(transfer_encoding="chunked")
            pieces = [start, *filler(size, SMALL), b"\r\n" + END]
            raw.pour([b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces])
        answer = raw.answer()

    body = refused(answer, 413, "file-too-large")
    assert body["limit"] == {"bytes": MAX_BYTES}


def test_a_declared_length_that_cannot_fit_is_refused_before_anything_is_sent(stack: Stack) -> None:
    with RawConnection(stack.url) as raw:
        raw.begin(content_length=600 * MEBIBYTE)
        answer = raw.answer()

    refused(answer, 413, "file-too-large")
    assert answer.headers["connection"] == "close"


def test_a_file_that_fits_beside_other_parts_that_do_not_is_refused(stack: Stack, album: AlbumClient) -> None:
    with RawConnection(stack.url) as raw:
        raw.begin(transfer_encoding="chunked")
        start = field("album_id", album.create()) + file(SMALL) + file_head(name="other")
        taken = raw.pour(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in filler(100 * MEBIBYTE, start))
        assert taken < MAX_BYTES + DRAIN_BYTES + KERNEL_BYTES


def wrong_picture() -> bytes:
    return plain("PNG", 1921, 1080)


@pytest.mark.parametrize("content", [b"not a picture", wrong_picture()], ids=["format", "dimensions"])
@pytest.mark.parametrize("is_declared", [True, False], ids=["with length", "without length"])
def test_600_megabytes_that_are_refused_cost_no_more_than_the_drain_limit(
    stack: Stack, album: AlbumClient, content: bytes, is_declared: bool
) -> None:
    total = 600_000_000
    start = field("album_id", album.create()) + file_head() + content
    with RawConnection(stack.url) as raw:
        if is_declared:
            raw.begin(content_length=total)
            taken = raw.pour(filler(total, start))
        else:
            raw.begin(transfer_encoding="chunked")
            taken = raw.pour(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in filler(total, start))

    assert taken < DRAIN_BYTES + KERNEL_BYTES


def test_600_megabytes_that_begin_well_cost_no_more_than_the_most_bytes_and_the_drain_limit(
    stack: Stack, album: AlbumClient
) -> None:
    start = field("album_id", album.create()) + file_head() + SMALL
    with RawConnection(stack.url) as raw:
        raw.begin(transfer_encoding="chunked")
        taken = raw.pour(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in filler(600_000_000, start))

    assert MAX_BYTES <= taken < MAX_BYTES + DRAIN_BYTES + KERNEL_BYTES


def test_a_client_that_says_no_more_after_a_refusal_is_hung_up_on_after_two_seconds(stack: Stack) -> None:
    with RawConnection(stack.url) as raw:
        began = time.monotonic()
        raw.begin(content_length=600 * MEBIBYTE)
        raw.answer()

        raw.wait_until_closed()

        # From before the server began to count; a busy machine may be late, but nothing else would end it so soon.
        assert DRAIN_SECONDS < time.monotonic() - began < 20


def test_a_client_that_goes_on_in_drops_after_a_refusal_is_hung_up_on_too(stack: Stack, album: AlbumClient) -> None:
    start = field("album_id", album.create()) + file_head() + b"not a picture" + bytes(1000)
    with RawConnection(stack.url) as raw:
        raw.begin(content_length=MEBIBYTE)
        raw.send(start)
        refused(raw.answer(), 415, "unsupported-format")
        raw.socket.settimeout(0.1)

        def is_closed() -> bool:
            try:
                raw.send(b"x")
                return raw.socket.recv(1000) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        eventually(is_closed, 20, "the server hangs up")


@pytest.mark.parametrize("sent", [0, 100, 1000, 300_000, 3_000_000])
def test_an_upload_that_breaks_off_leaves_nothing(stack: Stack, album: AlbumClient, sent: int) -> None:
    body = form(field("album_id", album.create()), file(SMALL + bytes(4_000_000)))
    with RawConnection(stack.url) as raw:
        raw.begin(content_length=len(body))
        raw.send(body[:sent])

    eventually(lambda: metric(stack, "album_uploads_in_flight") == 0, what="the upload is given up")
    eventually(lambda: not residue(stack.database), what="nothing is left")


def metric(stack: Stack, name: str) -> float:
    lines = httpx.get(f"{stack.url}/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_a_body_shorter_than_its_declared_length_is_given_up(start_stack: StartStack) -> None:
    quick = start_stack(decoders=0, thumbnailers=0, ALBUM_UPLOAD_IDLE_SECONDS="0.5")
    with quick.client() as album, RawConnection(quick.url) as raw:
        body = form(field("album_id", album.create()), file(SMALL + bytes(1_000_000)))
        raw.begin(content_length=len(body) + 100)
        raw.send(body[:-50])
        refused(raw.answer(), 422, "invalid-request")

    eventually(lambda: not residue(quick.database), what="nothing is left")


def test_a_body_longer_than_its_declared_length_is_refused(stack: Stack, album: AlbumClient) -> None:
    body = form(field("album_id", album.create()), file(SMALL))
    with RawConnection(stack.url) as raw:
        raw.begin(content_length=len(body) - 20)
        raw.send(body)

        # What is too much looks like a second request, which may be judged before the first is.
        assert raw.answer().status_code in (400, 422)


def test_more_uploads_than_a_process_takes_at_once_are_refused_and_let_in_later(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_MAX_UPLOADS="1")
    with stack.client() as album:
        album_id = album.create()
        with RawConnection(stack.url) as slow:
            slow.begin(content_length=1000)
            slow.send(field("album_id", album_id))
            eventually(lambda: metric(stack, "album_uploads_in_flight") == 1, what="the slow upload has begun")

            answer = album.upload(album_id, SMALL)

            failed(answer, 503, "busy")
            assert int(answer.headers["retry-after"]) > 0

        eventually(lambda: album.upload(album_id, SMALL).status_code == 202, what="there is room again")


def test_uploads_are_refused_while_the_disk_has_no_room_left(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_MIN_FREE_BYTES=str(10**18))
    with stack.client() as album:
        failed(album.upload(album.create(), SMALL), 507, "storage-full")

        assert metric(stack, "album_storage_left_bytes") < 0
        assert album.post("/album/list").status_code == 200


def test_a_refusal_names_nothing_of_the_server(album: AlbumClient) -> None:
    text = album.upload(album.create(), encoded(scene(8, 8), "GIF")).text

    assert not [word for word in ("Traceback", "/home", "mongodb", "pymongo", "site-packages") if word in text]


def test_uploading_takes_no_other_method(stack: Stack) -> None:
    answer = httpx.put(stack.url + UPLOAD)

    failed(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"
