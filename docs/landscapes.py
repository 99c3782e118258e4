"""Draws landscapes for the screenshots: hills under a sky, different for every number, the same every time."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Iterator

from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]

MOODS: tuple[tuple[Colour, Colour, Colour, Colour], ...] = (
    ((58, 97, 158), (244, 196, 154), (34, 60, 70), (255, 240, 205)),
    ((116, 172, 214), (232, 240, 240), (46, 92, 66), (255, 250, 230)),
    ((40, 42, 92), (224, 122, 108), (32, 26, 54), (255, 214, 170)),
    ((150, 196, 210), (250, 228, 180), (96, 110, 60), (255, 246, 214)),
    ((18, 26, 58), (70, 90, 140), (10, 16, 32), (236, 238, 246)),
    ((204, 214, 220), (240, 236, 228), (84, 98, 108), (255, 255, 255)),
)
"""The colours of sky above, sky below, the nearest hill and the sun."""
SHAPES = ((1600, 1067), (1600, 900), (1080, 1080), (800, 1067), (1600, 1067), (720, 1080), (1920, 1080))


def landscape(number: int) -> bytes:
    """One landscape as a JPEG file."""
    chance = random.Random(number)
    width, height = SHAPES[number % len(SHAPES)]
    top, bottom, near, light = MOODS[chance.randrange(len(MOODS))]
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    horizon = int(height * chance.uniform(0.55, 0.75))
    for y in range(height):
        draw.line((0, y, width, y), fill=_between(top, bottom, min(1.0, y / horizon)))
    image = _with_sun(image, chance, horizon, light)
    for step, ridge in enumerate(_ridges(chance, width, height, horizon)):
        layer = Image.new("L", image.size)
        ImageDraw.Draw(layer).polygon([(0, height), *ridge, (width, height)], fill=255)
        image.paste(_between(bottom, near, (step + 1.5) / 5.5), mask=layer.filter(ImageFilter.GaussianBlur(1.2)))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return file.getvalue()


def _between(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _with_sun(image: Image.Image, chance: random.Random, horizon: int, light: Colour) -> Image.Image:
    x, y = chance.uniform(0.15, 0.85) * image.width, chance.uniform(0.35, 0.9) * horizon
    radius = image.height * chance.uniform(0.03, 0.06)
    for size, strength, blur in ((5, 90, 2.0), (1, 255, 0.06)):
        glow = Image.new("L", image.size)
        reach = radius * size
        ImageDraw.Draw(glow).ellipse((x - reach, y - reach, x + reach, y + reach), fill=strength)
        image.paste(light, mask=glow.filter(ImageFilter.GaussianBlur(radius * blur)))
    return image


def _ridges(chance: random.Random, width: int, height: int, horizon: int) -> Iterator[list[tuple[float, float]]]:
    """The outlines of four chains of hills, the farthest first."""
    for step in range(4):
        level = horizon + (height - horizon) * step / 4.2 - height * 0.06
        waves = [
            (chance.uniform(0, math.tau), 1.7**order, height * 0.07 / 1.75**order * (1 + 0.2 * step))
            for order in range(7)
        ]
        yield [
            (x, level - sum(math.sin(phase + x / width * rate * 4) * size for phase, rate, size in waves))
            for x in range(0, width + 8, 8)
        ]
