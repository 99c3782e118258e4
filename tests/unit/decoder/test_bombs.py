"""Bombs and impostors: refused or failed at once, and what is harmless about them is kept."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from libs.shared.errors import Rejection
from libs.shared.imaging import probe
from services.decoder import jpeg_segments
from services.decoder.pixels import process
from services.decoder.settings import DecoderSettings
from tests.support import bombs
from tests.support.decoding import Stages, stages
from tests.support.pictures import picture
from tests.support.traces import traces

pytestmark = pytest.mark.anyio
MEGABYTE = 1 << 20
QUICKLY = 10.0
"""Seconds, on a machine that has much else to do; with nothing else it is far below one."""


@pytest.fixture(scope="module")
async def both() -> AsyncIterator[Stages]:
    async with stages(DecoderSettings(processes=1, memory_bytes=768 * MEGABYTE)) as both:
        yield both


async def rejected(both: Stages, upload: bytes) -> str:
    """The code with which an upload fails, which takes no time and no memory of this process."""
    before, begun = psutil.Process().memory_info().rss, time.monotonic()
    with pytest.raises(Rejection) as caught:
        await both.encode(upload)
    assert time.monotonic() - begun < QUICKLY
    assert psutil.Process().memory_info().rss - before < 32 * MEGABYTE
    return caught.value.code


@pytest.mark.parametrize("name", ["PNG 65536x65536", "AVIF 17000x17000", "HEIF 20000x10000"])
async def test_a_huge_picture_in_a_small_file_is_refused_by_its_header(both: Stages, name: str) -> None:
    format, _, size = name.partition(" ")
    width, height = map(int, size.split("x"))
    upload = bombs.png_of(width, height) if format == "PNG" else bombs.claiming(format, width, height)
    assert len(upload) < 600_000
    header = probe(upload[: 255 * 1024])
    assert (header.width, header.height) == (width, height)
    assert await rejected(both, upload) == "dimensions-too-large"


async def test_what_is_hidden_by_a_crop_counts_too(both: Stages) -> None:
    assert await rejected(both, bombs.cropped_to_nothing(20_000, 10_000)) in ("too-complex", "dimensions-too-large")


async def test_a_picture_that_wants_to_be_decoded_a_thousand_times_is_too_complex(both: Stages) -> None:
    assert await rejected(both, bombs.jpeg_with_scans(1000)) == "too-complex"
    assert (await both.encode(bombs.jpeg_with_scans(20))).format == "JPEG"


async def test_that_holds_for_sequential_pictures_as_well(both: Stages) -> None:
    assert await rejected(both, bombs.sequential_jpeg_with_scans(60_000)) == "too-complex"
    assert (await both.encode(bombs.sequential_jpeg_with_scans(30))).format == "JPEG"


def test_as_many_scans_as_are_allowed_are_not_too_many() -> None:
    upload = bombs.sequential_jpeg_with_scans(30)

    assert not jpeg_segments.has_more_scans(upload, 30)
    assert jpeg_segments.has_more_scans(upload, 29)


AT_ONCE = 1.5
"""Seconds for what is refused before a decoder sees it."""


@pytest.mark.parametrize("name", bombs.overlong())
def test_a_tiny_picture_in_a_million_parts_is_refused_before_it_is_opened(name: str) -> None:
    upload, begun = bombs.overlong()[name], time.process_time()
    with pytest.raises(Rejection) as caught:
        process(upload, DecoderSettings())
    assert caught.value.code == "too-complex"
    assert time.process_time() - begun < AT_ONCE


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_more_tiles_than_anybody_cuts_are_refused_before_a_decoder_counts_them(format: str) -> None:
    upload, begun = bombs.tiles(format, 40_000), time.process_time()
    with pytest.raises(Rejection) as caught:
        process(upload, DecoderSettings())
    assert caught.value.code == "too-complex"
    assert time.process_time() - begun < AT_ONCE


def test_a_picture_may_have_some_parts_that_mean_nothing() -> None:
    plain = picture("JPEG")
    upload = plain[:2] + b"\xff" * 500_000 + b"\xff\xfe\0\2" * 9_000 + plain[2:]
    assert process(upload, DecoderSettings()).encoded == plain


@pytest.mark.parametrize("coding", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
def test_a_jpeg_padded_behind_its_end_is_no_bomb(coding: dict[str, Any]) -> None:
    plain = picture("JPEG", **coding)
    assert process(plain + b"\xff" * (2 * MEGABYTE), DecoderSettings()).encoded == plain


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
async def test_of_ten_thousand_frames_only_the_first_costs_anything(both: Stages, format: str) -> None:
    upload = bombs.animation(format, 10_000)
    begun = time.monotonic()
    event = await both.encode(upload)
    assert time.monotonic() - begun < QUICKLY
    assert event.animated


@pytest.mark.parametrize("name", bombs.polyglots())
async def test_whatever_else_a_picture_is_does_not_come_out(both: Stages, name: str) -> None:
    event = await both.encode(bombs.polyglots()[name])
    output = both.blobs.blobs[event.encoded.blob_id]
    assert traces(output) == []
    assert not any(mark in output for mark in (b"PK\x03\x04", b"alert(1)", b"%PDF", b"<svg"))


@pytest.mark.parametrize(
    "upload",
    [
        b"",
        b"\xff\xd8",
        b"GIF89a" + b"\xff\xd8\xff\xe0",
        b"%PDF-1.7\n\xff\xd8\xff",
        b"<html>\x89PNG\r\n\x1a\n",
        bytes(10_000),
    ],
)
async def test_an_impostor_is_no_picture(both: Stages, upload: bytes) -> None:
    assert await rejected(both, upload) == "unsupported-format"
