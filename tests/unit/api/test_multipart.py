"""Reading multipart bodies: whatever comes, parts or a refusal, and never more than was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.shared.errors import Refusal
from services.api.multipart import MAX_PARTS, Multipart

HEADER = "multipart/form-data; boundary=edge"
BODY = (
    b'--edge\r\nContent-Disposition: form-data; name="album_id"\r\n\r\n123\r\n'
    b'--edge\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    b"\x89PNG\r\n\x1a\n-- edge --\r\n"
    b"--edge--\r\n"
)
PARTS = [("album_id", None, b"123"), ("image", "a.png", b"\x89PNG\r\n\x1a\n-- edge --")]

LATIN = st.characters(max_codepoint=255)
"""What a header can hold: each of its bytes is one character."""

Parts = list[tuple[str, str | None, bytes]]


def parts(pieces: list[bytes], header: str = HEADER) -> Parts | None:
    """Name, file name and content of each part; None where the body is refused."""

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def read() -> Parts | None:
        try:
            return [
                (part.name, part.filename, b"".join([piece async for piece in part.content]))
                async for part in Multipart(header, body()).parts()
            ]
        except Refusal:
            return None

    return anyio.run(read)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % len(body) for place in places), len(body)]
    return [body[start:stop] for start, stop in pairwise(edges)]


def test_a_body_of_more_parts_than_any_form_has_is_refused_at_the_first_of_them() -> None:
    part = b"--edge\r\nContent-Disposition: form-data; name=more\r\n\r\n\r\n"
    few = parts([part * MAX_PARTS + b"--edge--\r\n"])

    assert few == [("more", None, b"")] * MAX_PARTS
    assert parts([part * (MAX_PARTS + 1) + b"--edge--\r\n"]) is None


@pytest.mark.parametrize(
    "disposition",
    [
        b"form-data; name=image; filename=\"=?utf-8?B?w7xiZXIuanBn?=\"; filename*=utf-8''%C3%BCber.jpg",
        b'form-data; name="image"; filename="?ber.jpg"; filename*="UTF-8\'\'%C3%BCber.jpg"',
        b"form-data; name=\"image\"; filename*=utf-8'de'%C3%BCber.jpg",
        b'form-data; name="image"; filename="\xc3\xbcber.jpg"',
    ],
)
def test_a_name_that_is_not_ascii_is_understood_however_clients_send_it(disposition: bytes) -> None:
    body = b"--edge\r\nContent-Disposition: " + disposition + b"\r\n\r\n1\r\n--edge--\r\n"

    assert parts([body]) == [("image", "über.jpg", b"1")]


@given(st.lists(st.integers(0, 10_000), max_size=12))
@settings(max_examples=150, deadline=None)
def test_it_does_not_matter_where_the_network_cuts_a_body(places: list[int]) -> None:
    assert parts(cut(BODY, places)) == PARTS


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_body_gives_parts_or_is_refused(data: st.DataObject) -> None:
    body = bytearray(BODY)
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(body)))
        body[place : place + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    found = parts(cut(bytes(body), data.draw(st.lists(st.integers(0, 10_000), max_size=4)))) if body else None
    assert sum(len(content) for _, _, content in found or ()) <= len(body)


@given(st.lists(st.binary(max_size=300), max_size=6), st.text(LATIN, max_size=60))
@settings(max_examples=200, deadline=None)
def test_noise_is_survived(pieces: list[bytes], header: str) -> None:
    parts(pieces, header)
    parts(pieces)
