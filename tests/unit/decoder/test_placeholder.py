"""A placeholder has the colours of its picture, however fine their pattern is."""

from __future__ import annotations

import base64

import pytest
from PIL import Image

from services.decoder.placeholder import thumbhash


def average(placeholder: str) -> tuple[float, float, float, float]:
    """The mean red, green, blue and alpha of a thumbhash, 0 to 1, after its reference decoder."""
    content = base64.b64decode(placeholder)
    head = int.from_bytes(content[:3], "little")
    light, yellow, purple = (head & 63) / 63, (head >> 6 & 63) / 31.5 - 1, (head >> 12 & 63) / 31.5 - 1
    blue = light - 2 / 3 * yellow
    red = (3 * light - blue + purple) / 2
    return red, red - purple, blue, (content[5] & 15) / 15 if head >> 23 else 1.0


def tiled(tile: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A pattern of ``tile`` repeated, cut off where the picture ends."""
    image = Image.new(tile.mode, size)
    for top in range(0, size[1], tile.height):
        for left in range(0, size[0], tile.width):
            image.paste(tile, (left, top))
    return image


@pytest.mark.parametrize("size", [(512, 384), (334, 6), (20, 20)])
@pytest.mark.parametrize("squares", [((0, 255), (255, 0)), ((0, 255), (0, 255)), ((0, 0), (255, 255))])
def test_fine_black_and_white_is_gray_from_afar(squares: tuple[tuple[int, int], ...], size: tuple[int, int]) -> None:
    tile = Image.frombytes("L", (2, 2), bytes(squares[0] + squares[1]))
    for mode in ("L", "RGB"):
        assert average(thumbhash(tiled(tile.convert(mode), size))) == pytest.approx((0.5, 0.5, 0.5, 1.0), abs=0.03)


def test_fine_holes_make_a_picture_half_clear_and_lend_it_no_colour() -> None:
    tile = Image.new("RGBA", (2, 2), (255, 128, 0, 255))
    tile.putpixel((0, 0), (0, 0, 255, 0))
    tile.putpixel((1, 1), (0, 0, 255, 0))
    assert average(thumbhash(tiled(tile, (512, 384)))) == pytest.approx((1.0, 0.5, 0.0, 0.5), abs=0.04)
