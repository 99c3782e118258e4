"""The one colour that a PNG may call transparent is so in the picture, in its thumbnail and in its placeholder."""

from __future__ import annotations

import base64
import struct
import zlib

import pytest

from services.decoder.png_chunks import chunk
from services.decoder.work import Work
from services.thumbnailer.pixels import shrink
from tests.support.decoding import difference, opened, processed
from tests.support.png import GRAY, PALETTE, RGB, Chunk, png

SIDEWAYS: Chunk = (b"eXIf", b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0")
LONG_TEXT, LONG_PROFILE = (chunk(kind, b"long\0\0" + zlib.compress(bytes(3_000_000))) for kind in (b"zTXt", b"iCCP"))
END = chunk(b"IEND", b"")
KEY = (0x1234, 0x5678, 0x9ABC)


def alphas(data: bytes) -> list[int]:
    return list(opened(data).convert("RGBA").getchannel("A").tobytes())


def is_clear_everywhere(work: Work, wanted: list[int]) -> bool:
    """Whether all that is shown of a picture has these alphas; a placeholder tells of any (byte 2, bit 7)."""
    thumbnail = shrink(work.preview or work.encoded, 320)
    return (
        alphas(work.encoded) == wanted
        and list(thumbnail.convert("RGBA").getchannel("A").tobytes()) == wanted
        and base64.b64decode(work.placeholder)[2] >= 128
    )


@pytest.mark.parametrize("turn", [(), (SIDEWAYS,)], ids=["upright", "sideways"])
@pytest.mark.parametrize(
    ("bits", "level"), [(bits, level) for bits in (1, 2, 4) for level in range(2**bits)] + [(8, 77), (16, 0x1234)]
)
def test_any_level_of_gray_can_be_transparent(bits: int, level: int, turn: tuple[Chunk, ...]) -> None:
    others = [level + step for step in range(1, 16)] if bits > 4 else range(2**bits)
    row = sorted({level, *others})
    upload = png(bits, GRAY, [row], *turn, (b"tRNS", struct.pack(">H", level)))
    work = processed(upload)
    wanted = [0 if sample == level else 255 for sample in row]
    assert is_clear_everywhere(work, wanted)
    top = 2**bits - 1
    assert list(opened(work.encoded).convert("RGBA").getchannel("R").tobytes()) == pytest.approx(
        [sample * 255 / top for sample in row], abs=0.51
    )


@pytest.mark.parametrize("level", [2, 0xFE, 0xFF, 0x100, 0xFFFF])
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_bits_that_a_level_of_gray_does_not_have_do_not_count(bits: int, level: int) -> None:
    """Browsers differ over that, so it is not left to them."""
    row = range(2**bits)
    work = processed(png(bits, GRAY, [[*row]], (b"tRNS", struct.pack(">H", level))))
    assert is_clear_everywhere(work, [0 if sample == level & 2**bits - 1 else 255 for sample in row])
    assert "transparency" not in opened(work.encoded).info


def test_16_bit_colours_are_transparent_only_if_every_bit_is_the_same() -> None:
    neighbours = [tuple(sample + (place == changed) for place, sample in enumerate(KEY)) for changed in range(3)]
    row = [KEY, *neighbours, (0x1334, *KEY[1:]), KEY]
    samples = [sample for colour in row for sample in colour]
    work = processed(png(16, RGB, [samples], (b"tRNS", struct.pack(">3H", *KEY))))
    assert is_clear_everywhere(work, [0, 255, 255, 255, 255, 0])


@pytest.mark.parametrize("end", [LONG_TEXT + END, LONG_PROFILE + END, LONG_TEXT, b""], ids=range(4))
def test_16_bit_colours_are_transparent_whatever_follows_the_pixels(end: bytes) -> None:
    """Pillow stumbles over more than a megabyte of text or profile, and does not miss the end."""
    whole = png(16, RGB, [[*KEY, 1, 2, 3]], (b"tRNS", struct.pack(">3H", *KEY)))
    assert is_clear_everywhere(processed(whole.removesuffix(END) + end), [0, 255])


def test_a_sideways_16_bit_picture_keeps_its_transparency() -> None:
    work = processed(png(16, RGB, [[*KEY, 1, 2, 3, 4, 5, 6]], SIDEWAYS, (b"tRNS", struct.pack(">3H", *KEY))))
    assert opened(work.encoded).size == (1, 3)
    assert is_clear_everywhere(work, [0, 255, 255])


def test_8_bit_colours_can_be_transparent() -> None:
    upload = png(8, RGB, [[9, 8, 7, 9, 8, 6]], (b"tRNS", struct.pack(">3H", 9, 8, 7)))
    work = processed(upload)
    assert work.encoded == upload
    assert is_clear_everywhere(work, [0, 255])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (png(8, PALETTE, [[0, 1]]), png(8, GRAY, [[0, 1]])),
        (png(8, PALETTE, [[0, 1]]), png(4, GRAY, [[0, 1]])),
        (png(8, PALETTE, [[0, 1]]), png(16, RGB, [[0] * 6])),
        (png(8, RGB, [[0] * 6]), png(8, PALETTE, [[0, 1]], (b"PLTE", bytes(6)))),
    ],
    ids=["gray", "4-bit gray", "16-bit RGB", "palette"],
)
def test_transparency_that_was_meant_for_another_header_is_passed_over(first: bytes, second: bytes) -> None:
    """Pillow takes files with two headers, and stumbles over what it has read in between."""
    upload = first[:33] + chunk(b"tRNS", b"\0\1\0\2\0\3") + second[8:]
    assert opened(processed(upload).encoded).size == (2, 1)


def test_transparency_with_a_wrong_checksum_is_not_made_valid() -> None:
    """No decoder obeys it, so the copy must not have it with a right one."""
    upload = png(8, PALETTE, [[0, 1]], (b"PLTE", bytes((200, 30, 60, 10, 90, 20))), (b"tRNS", b"\0\0"))
    end = upload.index(b"tRNS") + 6
    work = processed(upload[:end] + bytes(4) + upload[end + 4 :])
    assert difference(opened(work.encoded), work.shown) == 0
    assert b"tRNS" not in work.encoded
