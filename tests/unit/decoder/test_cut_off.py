"""A file that ends too early is told from one that is damaged, wherever it ends."""

from __future__ import annotations

import io
import struct

import pillow_heif
import pytest

from libs.shared.errors import Rejection
from tests.support.decoding import difference, processed
from tests.support.pictures import picture, scene


def code_of(upload: bytes) -> str:
    with pytest.raises(Rejection) as caught:
        processed(upload)
    return caught.value.code


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def with_thumbnail() -> bytes:
    """A JPEG with a whole JPEG in its EXIF, and much metadata between that and its own scan."""
    plain, thumbnail = picture("JPEG", 640, 480), io.BytesIO()
    scene(160, 120).save(thumbnail, "JPEG")
    exif = segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + thumbnail.getvalue())
    return plain[:2] + exif + segment(0xE2, bytes(60_000)) + plain[2:]


@pytest.mark.parametrize("place", [3000, 30_000, 65_000, -2000, -1])
def test_a_jpeg_cut_behind_its_thumbnail_is_truncated(place: int) -> None:
    upload = with_thumbnail()
    processed(upload)
    assert code_of(upload[:place]) == "truncated-image"


def test_a_jpeg_without_a_picture_of_its_own_is_damaged_not_truncated() -> None:
    upload = with_thumbnail()
    assert code_of(upload[: upload.rindex(b"\xff\xc0")] + b"\xff\xd9") == "corrupt-image"


@pytest.mark.parametrize("length", range(8, 34))
def test_a_png_cut_in_its_head_is_truncated(length: int) -> None:
    assert code_of(picture("PNG")[:length]) == "truncated-image"


def test_a_png_that_begins_with_another_chunk_is_damaged() -> None:
    assert code_of(picture("PNG")[:8] + b"\0\0\0\0IEND\xae\x42\x60\x82") == "corrupt-image"


@pytest.mark.parametrize("length", [12, 16, 20, 29, 60])
def test_a_webp_cut_in_its_head_is_truncated(length: int) -> None:
    assert code_of(picture("WEBP")[:length]) == "truncated-image"


def test_a_webp_that_says_it_ends_before_its_first_chunk_is_truncated() -> None:
    assert code_of(b"RIFF\x04\0\0\0WEBP") == "truncated-image"


@pytest.mark.parametrize("missing", [1, 100, 1000])
def test_a_heif_whose_last_tiles_are_missing_is_truncated_not_shown_with_holes(missing: int) -> None:
    upload = picture("HEIF", 200, 128, tile_size=64)
    processed(upload)
    assert code_of(upload[:-missing]) == "truncated-image"


@pytest.mark.parametrize("tile_size", [0, 64])
def test_a_heif_cut_behind_its_picture_is_whole(tile_size: int) -> None:
    images = pillow_heif.from_pillow(scene(200, 128))
    images.add_from_pillow(scene(96, 64))
    images.save(buffer := io.BytesIO(), tile_size=tile_size)
    work = processed(buffer.getvalue()[:-10])
    assert difference(work.shown, scene(200, 128)) < 6


def test_a_heif_that_is_but_a_film_is_not_called_damaged() -> None:
    film = [(b"ftyp", b"hevc\0\0\0\0msf1hevc"), (b"moov", b""), (b"mdat", b"frames")]
    upload = b"".join(struct.pack(">I4s", 8 + len(content), kind) + content for kind, content in film)
    assert code_of(upload) == "unsupported-codec"


def test_a_hierarchical_jpeg_is_told_from_a_damaged_one() -> None:
    upload = picture("JPEG", 64, 48)
    frame = upload.index(b"\xff\xc0")
    length = int.from_bytes(upload[frame + 2 : frame + 4], "big")
    whole_picture = b"\xff\xde" + upload[frame + 2 : frame + 2 + length]
    assert code_of(upload[:frame] + whole_picture + upload[frame:]) == "unsupported-codec"
