"""What a file says of its colours in chunks or code points is obeyed, in the order of what weighs most."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import pytest
from PIL import Image

from services.decoder import png_chunks
from services.decoder.matrix_profile import Primaries, matrix_profile
from services.thumbnailer.pixels import shrink
from tests.support.decoding import opened, processed
from tests.support.pictures import encoded
from tests.support.png import GRAY, PALETTE, RGB, Chunk, chromaticities, code_points, gamma, png, profile, with_chunks
from tests.support.profiles import ADOBE_RGB, DISPLAY_P3, Triple, gray_profile, rgb_profile

Colour = tuple[int, int, int]
Matrix = Sequence[Triple]

COLOURS: list[Colour] = [
    (0, 0, 0),
    (2, 2, 2),
    (9, 5, 14),
    (40, 90, 200),
    (200, 90, 60),
    (128, 128, 128),
    (90, 220, 130),
]
LEVELS = [0, 1, 2, 5, 10, 40, 90, 128, 200, 255]

SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
P3 = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
ADOBE = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)

AS_IT_IS: Matrix = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
FROM_P3: Matrix = ((1.22494, -0.22494, 0), (-0.04206, 1.04206, 0), (-0.01964, -0.07864, 1.09827))
FROM_ADOBE: Matrix = ((1.39836, -0.39836, 0), (0, 1, 0), (0, -0.04293, 1.04293))
FROM_BT2020: Matrix = ((1.66049, -0.58764, -0.07285), (-0.12455, 1.13290, -0.00835), (-0.01815, -0.10058, 1.11873))
"""To linear sRGB, as published by Bruce Lindbloom, Apple and ITU-R BT.2407."""

LINEAR, MAC, PLAIN = gamma(1.0), gamma(1 / 1.8), gamma(1 / 2.2)


def signal(light: float) -> float:
    light = min(1.0, max(0.0, light))
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def srgb_light(level: float) -> float:
    return level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4


def power(exponent: float) -> Callable[[float], float]:
    return lambda level: level**exponent


def meant(colours: list[Colour], light: Callable[[float], float], matrix: Matrix = AS_IT_IS) -> list[float]:
    """The levels of colours in sRGB, by arithmetic alone."""
    wanted = []
    for colour in colours:
        lights = [light(level / 255) for level in colour]
        wanted += [255 * signal(sum(a * b for a, b in zip(row, lights, strict=True))) for row in matrix]
    return wanted


def shown(data: bytes) -> list[int]:
    return list(opened(data).convert("RGB").tobytes())


def drawn(*said: Chunk, colours: list[Colour] = COLOURS) -> bytes:
    return png(8, RGB, [[level for colour in colours for level in colour]], *said)


def smpte240_light(level: float) -> float:
    return level / 4 if level < 0.0912 else ((level + 0.1115) / 1.1115) ** (1 / 0.45)


NUMBERS: list[tuple[list[Chunk], Callable[[float], float], Matrix]] = [
    ([LINEAR], power(1.0), AS_IT_IS),
    ([MAC], power(1.8), AS_IT_IS),
    ([chromaticities(*P3), PLAIN], power(2.2), FROM_P3),
    ([chromaticities(*ADOBE), PLAIN], power(2.2), FROM_ADOBE),
    ([chromaticities(*P3), LINEAR], power(1.0), FROM_P3),
    ([code_points(1, 8)], power(1.0), AS_IT_IS),
    ([code_points(12, 8)], power(1.0), FROM_P3),
    ([code_points(1, 4)], power(2.2), AS_IT_IS),
    ([code_points(1, 5)], power(2.8), AS_IT_IS),
    ([code_points(12, 13)], srgb_light, FROM_P3),
    ([code_points(9, 13)], srgb_light, FROM_BT2020),
    *[([code_points(1, curve)], power(2.4), AS_IT_IS) for curve in (1, 6, 14, 15)],
    ([code_points(9, 14)], power(2.4), FROM_BT2020),
    ([code_points(1, 7)], smpte240_light, AS_IT_IS),
]


@pytest.mark.parametrize(("said", "light", "matrix"), NUMBERS)
def test_numbers_become_srgb_and_are_gone(said: list[Chunk], light: Callable[[float], float], matrix: Matrix) -> None:
    wanted = meant(COLOURS, light, matrix)
    work = processed(drawn(*said))
    assert shown(work.encoded) == pytest.approx(wanted, abs=1.01)
    assert list(shrink(work.encoded, 320).tobytes()) == pytest.approx(wanted, abs=1.01)
    assert {kind for kind, _ in png_chunks.chunks(work.encoded)} == {b"IHDR", b"IDAT", b"IEND"}


@pytest.mark.parametrize(
    "upload",
    [
        png(8, GRAY, [LEVELS], LINEAR),
        png(8, GRAY, [LEVELS], chromaticities(*P3), LINEAR),
        png(16, GRAY, [[257 * level for level in LEVELS]], LINEAR),
        png(16, RGB, [[257 * level for level in LEVELS for _ in range(3)]], LINEAR),
        png(8, PALETTE, [list(range(10))], LINEAR, (b"PLTE", bytes(level for level in LEVELS for _ in range(3)))),
        png(8, GRAY, [LEVELS], code_points(1, 8)),
    ],
    ids=["gray", "gray with primaries", "16-bit gray", "16-bit RGB", "palette", "gray by code points"],
)
def test_numbers_are_obeyed_in_pixels_of_every_kind(upload: bytes) -> None:
    work = processed(upload)
    assert shown(work.encoded) == pytest.approx(meant([(v, v, v) for v in LEVELS], power(1.0)), abs=1.01)
    assert opened(work.encoded).mode == ("L" if upload[25] == GRAY else "RGB")


def test_alpha_stays_where_numbers_are_obeyed() -> None:
    image = Image.frombytes("RGBA", (2, 1), bytes((2, 10, 40, 77, 200, 90, 60, 200)))
    output = opened(processed(with_chunks(encoded(image, "PNG"), LINEAR)).encoded)
    assert list(output.getchannel("A").tobytes()) == [77, 200]
    assert list(output.convert("RGB").tobytes()) == pytest.approx(
        meant([(2, 10, 40), (200, 90, 60)], power(1.0)), abs=1.01
    )


@pytest.mark.parametrize(
    "said",
    [
        [PLAIN],
        [gamma(0.45)],
        [chromaticities(*SRGB), PLAIN],
        [chromaticities(0.3126, 0.3290, *SRGB[2:]), PLAIN],
        [chromaticities(*P3)],
        [gamma(0.0)],
        [gamma(0.00001)],
        [chromaticities(*[0.0] * 8), LINEAR],
        [chromaticities(*[0.3] * 8), LINEAR],
        [code_points(1, 13)],
        [code_points(2, 2)],
        [(LINEAR[0], LINEAR[1] + b"\0")],
    ],
)
def test_what_says_srgb_or_makes_no_sense_costs_no_generation(said: list[Chunk]) -> None:
    assert processed(drawn(*said)).encoded == drawn()


def test_srgb_outweighs_gamma_and_stays() -> None:
    srgb = (b"sRGB", b"\0")
    assert processed(drawn(srgb, LINEAR, chromaticities(*P3))).encoded == drawn(srgb)


def test_an_srgb_chunk_that_is_none_outweighs_nothing() -> None:
    assert processed(drawn((b"sRGB", b"\0\0"), LINEAR)).encoded == processed(drawn(LINEAR)).encoded


WIDE = profile(rgb_profile(DISPLAY_P3, 1.0))
JUNK = profile(b"junk" * 100)


@pytest.mark.parametrize(
    ("said", "light", "matrix"),
    [
        ([code_points(12, 13), WIDE, LINEAR], srgb_light, FROM_P3),
        ([WIDE, code_points(12, 13)], srgb_light, FROM_P3),
        ([code_points(1, 13), WIDE], srgb_light, AS_IT_IS),
        ([code_points(2, 2), WIDE], power(1.0), FROM_P3),
        ([code_points(9, 13, is_full_range=False), WIDE], power(1.0), FROM_P3),
        ([code_points(9, 13, matrix=9), WIDE], power(1.0), FROM_P3),
        ([WIDE, MAC], power(1.0), FROM_P3),
        ([WIDE, (b"sRGB", b"\0")], power(1.0), FROM_P3),
        ([JUNK, MAC], power(1.8), AS_IT_IS),
        ([profile(gray_profile(1.0)), MAC], power(1.8), AS_IT_IS),
        ([code_points(2, 2), MAC], power(1.8), AS_IT_IS),
        ([code_points(2, 2), JUNK, (b"sRGB", b"\0"), MAC], srgb_light, AS_IT_IS),
    ],
)
def test_the_weightiest_that_makes_sense_counts(
    said: list[Chunk], light: Callable[[float], float], matrix: Matrix
) -> None:
    assert shown(processed(drawn(*said)).encoded) == pytest.approx(meant(COLOURS, light, matrix), abs=1.01)


@pytest.mark.parametrize("said", [LINEAR, code_points(12, 13), WIDE], ids=["gamma", "code points", "profile"])
def test_what_has_a_wrong_checksum_says_nothing(said: Chunk) -> None:
    upload = bytearray(drawn(said))
    upload[33 + 8 + len(said[1])] ^= 1
    assert processed(bytes(upload)).encoded == drawn()


def test_a_profile_of_numbers_has_the_published_colorants() -> None:
    """Display P3 and Adobe RGB, adapted to D50, as in the profiles of Apple and Adobe."""
    for numbers, published in ((P3, DISPLAY_P3), (ADOBE, ADOBE_RGB)):
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        content = matrix_profile(Primaries(*points), 2.2)
        assert content is not None
        for name, colorant in zip((b"rXYZ", b"gXYZ", b"bXYZ"), published, strict=True):
            entry = content.index(name, 128) + 4
            start = int.from_bytes(content[entry : entry + 4], "big") + 8
            values = struct.unpack(">3i", content[start : start + 12])
            assert [value / 65_536 for value in values] == pytest.approx(colorant, abs=3e-4)
