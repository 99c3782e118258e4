"""What the first bytes say: never more than they prove, and the same as the decoder says later."""

from __future__ import annotations

import io
import tracemalloc
from typing import get_args

import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from libs.shared.errors import Rejection
from libs.shared.formats import CONTENT_TYPES, Format, sniff
from libs.shared.imaging import JPEG_MAX_SEGMENTS, MAX_HEAD_BYTES, probe
from services.decoder.opening import open_header
from tests.support.bombs import property_named_often, referring
from tests.support.boxes import imir, irot, with_transforms
from tests.support.pictures import encoded, picture, scene

FORMATS: tuple[Format, ...] = get_args(Format)
UNWANTED = (
    "GIF",
    "BMP",
    "TIFF",
    "ICO",
    "PPM",
    "TGA",
    "PCX",
    "JPEG2000",
    "SGI",
    "DDS",
    "PDF",
    "EPS",
    "MSP",
    "IM",
    "XBM",
)


@pytest.mark.parametrize("size", [(1921, 1080), (1920, 1081), (1080, 1920), (1920, 1080), (1, 1), (1, 1080), (1919, 1)])
@pytest.mark.parametrize("format", FORMATS)
def test_the_first_kilobytes_prove_format_and_size(format: Format, size: tuple[int, int]) -> None:
    header = probe(encoded(Image.new("RGB", size, "teal"), format)[:8192])
    assert (header.format, header.is_format_settled) == (format, True)
    assert (header.width, header.height) == size


@pytest.mark.parametrize("format", FORMATS)
def test_more_bytes_never_change_what_is_settled(format: Format) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a long description " * 200
    upload = picture(format, exif=exif.tobytes())
    headers = [probe(upload[:length]) for length in range(len(upload) + 1)]
    assert not headers[0].is_format_settled
    assert {header.format for header in headers if header.is_format_settled} == {format}
    assert {(header.width, header.height) for header in headers} == {(None, None), (64, 48)}


@pytest.mark.parametrize("format", UNWANTED)
def test_nothing_else_is_recognised(format: str) -> None:
    buffer = io.BytesIO()
    scene(64, 48).convert("1" if format in ("MSP", "XBM") else "RGB").save(buffer, format)
    sniffed = sniff(buffer.getvalue())
    assert (sniffed.format, sniffed.is_settled) == (None, True)


@pytest.mark.parametrize(
    "head",
    [
        b"%PDF-1.7\n",
        b"PK\x03\x04\x14\0\0\0",
        b"<!DOCTYPE html><html>",
        b"<svg xmlns='http://www.w3.org/2000/svg'>",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"\0\0\0\x18ftypisom\0\0\2\0isommp42",
        b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
        b"\0\0\0\x0cJXL \r\n\x87\n",
        b"\xff\x0a\xfa\x1f\x01\x91\x08\x06\x01\0",
        b"\0\0\0\x08ftyp",
        b"\0\0\0\0ftypavif",
        bytes(64),
    ],
)
def test_other_beginnings_are_known_to_be_nothing_of_ours(head: bytes) -> None:
    assert (sniff(head).format, sniff(head).is_settled) == (None, True)


@pytest.mark.parametrize(
    ("major", "others", "format"),
    [
        (b"avif", [b"mif1", b"miaf"], "AVIF"),
        (b"avis", [b"avif", b"msf1"], "AVIF"),
        (b"mif1", [b"avif", b"miaf"], "AVIF"),
        (b"MA1B", [b"mif1", b"avif"], "AVIF"),
        (b"heic", [b"mif1", b"heic"], "HEIF"),
        (b"mif1", [b"mif1", b"heix"], "HEIF"),
        (b"msf1", [b"hevc"], "HEIF"),
        (b"heic", [b"mif1", b"avif"], "HEIF"),
        (b"avif", [b"mif1", b"heic"], "AVIF"),
    ],
)
def test_all_brands_of_a_file_are_weighed(major: bytes, others: list[bytes], format: str) -> None:
    brands = major + bytes(4) + b"".join(others)
    assert sniff((len(brands) + 8).to_bytes(4, "big") + b"ftyp" + brands).format == format


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_where_mif1_is_the_only_brand_the_coding_decides(format: Format) -> None:
    upload = picture(format)
    ftyp = (24).to_bytes(4, "big") + b"ftypmif1\0\0\0\0mif1mif1"
    length = int.from_bytes(upload[:4], "big")
    renamed = ftyp + (length - 24).to_bytes(4, "big") + b"free" + upload[32:]
    assert sniff(renamed).format == format
    assert not sniff(renamed[:100]).is_settled


@pytest.mark.parametrize("transform", [irot(1), imir(0)])
@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_a_turned_picture_proves_no_size(format: str, transform: bytes) -> None:
    header = probe(with_transforms(picture(format), transform))
    assert (header.format, header.width) == (format, None)


def test_a_thumbnail_named_as_the_picture_proves_no_size() -> None:
    """libheif shows the picture that the thumbnail belongs to."""
    image = pillow_heif.from_pillow(scene(96, 64))
    image.save(buffer := io.BytesIO(), thumbnails=[32])
    upload = bytearray(buffer.getvalue())
    assert probe(bytes(upload)).width == 96

    pitm, thmb = upload.index(b"pitm") + 8, upload.index(b"thmb") + 4
    upload[pitm : pitm + 2] = upload[thmb : thmb + 2]

    assert open_header(bytes(upload), "HEIF").size == (96, 64)
    assert probe(bytes(upload)).width is None


def test_a_picture_that_cannot_be_decoded_proves_no_size() -> None:
    """libheif shows another picture of the file."""
    images = pillow_heif.from_pillow(scene(96, 64))
    images.add_from_pillow(scene(48, 32))
    images.save(buffer := io.BytesIO())
    upload = buffer.getvalue()
    assert probe(upload).width == 96

    undecodable = upload.replace(b"hvcC", b"free", 1)

    assert open_header(undecodable, "HEIF").size == (48, 32)
    assert probe(undecodable).width is None


def test_a_wrong_checksum_proves_no_size() -> None:
    upload = bytearray(picture("PNG"))
    upload[17] ^= 1
    assert probe(bytes(upload)).width is None


def test_how_large_a_webp_asks_to_be_shown_says_nothing_of_its_size() -> None:
    upload = bytearray(picture("WEBP"))
    size = probe(bytes(upload)).width, probe(bytes(upload)).height
    assert upload[12:16] == b"VP8 "

    # RFC 6386, 9.1: the two highest bits of either are a scale.
    upload[27] |= 0x40
    upload[29] |= 0x80

    assert (probe(bytes(upload)).width, probe(bytes(upload)).height) == size == open_header(bytes(upload), "WEBP").size


def test_a_webp_that_begins_in_the_middle_of_a_film_proves_no_size() -> None:
    upload = bytearray(picture("WEBP"))
    upload[20] |= 1
    assert probe(bytes(upload)).width is None


def test_every_format_has_its_media_type() -> None:
    assert [CONTENT_TYPES[format] for format in FORMATS] == [
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/heif",
        "image/avif",
    ]


BASES = {format: picture(format, 24, 16) for format in FORMATS}


@given(st.sampled_from(FORMATS), st.data())
@settings(max_examples=500, deadline=None)
def test_a_claimed_size_is_the_decoder_s(format: Format, data: st.DataObject) -> None:
    upload = bytearray(BASES[format])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(upload) - 1, 600)))
        upload[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    header = probe(bytes(upload))
    if header.format is None or header.width is None:
        return
    try:
        image = open_header(bytes(upload), header.format)
    except Rejection:
        return
    assert (header.width, header.height) == image.size


@pytest.mark.parametrize("times", [7_650, 122_400])
def test_a_property_that_is_named_often_is_copied_once(times: int) -> None:
    head = property_named_often(120_000, times)
    assert len(head) < MAX_HEAD_BYTES
    tracemalloc.start()
    try:
        assert probe(head).width is None
        assert tracemalloc.get_traced_memory()[1] < 8 * len(head)
    finally:
        tracemalloc.stop()


def test_references_that_no_decoder_is_let_walk_through_are_not_walked_through_here_either() -> None:
    assert probe(referring(1_000)).width is not None
    assert probe(referring(3_000)).width is None


def test_of_a_jpeg_no_more_segments_are_walked_over_than_any_has() -> None:
    upload = picture("JPEG", 64, 48)

    def after(count: int) -> int | None:
        return probe(upload[:2] + b"\xff\xfe\0\2" * count + upload[2:]).width

    assert (after(JPEG_MAX_SEGMENTS // 2), after(JPEG_MAX_SEGMENTS)) == (64, None)


@given(st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_noise_is_survived(noise: bytes) -> None:
    probe(noise)
    for upload in BASES.values():
        probe(upload[:40] + noise)
