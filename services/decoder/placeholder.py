"""A few bytes that paint a blurred picture while the real one loads: https://evanw.github.io/thumbhash/.

Our own, after the reference implementation (MIT licence), since the one package on PyPI fails on pictures with alpha
and takes ten times as long.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from itertools import chain
from operator import mul

from PIL import Image

_SIDE = 32
"""Pixels to look at on the longer side; the hash keeps at most seven waves of it."""

Channel = tuple[float, list[float], float]
"""The mean, the waves scaled to 0..1, and their scale."""


def thumbhash(image: Image.Image) -> str:
    """The thumbhash of an upright sRGB picture, in base64."""
    scale = min(1.0, _SIDE / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    # All pixels count, since a sample of them misjudges what has a fine pattern; whole blocks first, which is quicker.
    small = image.resize(size, Image.Resampling.BOX, reducing_gap=1.0).convert("RGBA")
    return base64.b64encode(_encode(small.width, small.height, small)).decode("ascii")


def _encode(width: int, height: int, small: Image.Image) -> bytes:
    red, green, blue, opacity = ([value / 255 for value in band.tobytes()] for band in small.split())
    total = sum(opacity)
    has_alpha = total < width * height
    channels = []
    for band in (red, green, blue):
        mean = sum(map(mul, band, opacity)) / total if total else 0.0
        channels.append([mean * (1 - alpha) + alpha * value for value, alpha in zip(band, opacity, strict=True)])
    pixels = list(zip(*channels, strict=True))
    limit = 5 if has_alpha else 7
    across = max(1, round(limit * width / max(width, height)))
    down = max(1, round(limit * height / max(width, height)))
    light = _waves([(r + g + b) / 3 for r, g, b in pixels], width, height, max(3, across), max(3, down))
    yellow = _waves([(r + g) / 2 - b for r, g, b in pixels], width, height, 3, 3)
    purple = _waves([r - g for r, g, b in pixels], width, height, 3, 3)
    is_wide = width > height
    head = (
        round(63 * light[0])
        | round(31.5 + 31.5 * yellow[0]) << 6
        | round(31.5 + 31.5 * purple[0]) << 12
        | round(31 * light[2]) << 18
        | has_alpha << 23
        | (down if is_wide else across) << 24
        | round(63 * yellow[2]) << 27
        | round(63 * purple[2]) << 33
        | is_wide << 39
    ).to_bytes(5, "little")
    if not has_alpha:
        return head + _nibbles(light, yellow, purple)
    veil = _waves(opacity, width, height, 5, 5)
    return head + bytes((round(15 * veil[0]) | round(15 * veil[2]) << 4,)) + _nibbles(light, yellow, purple, veil)


def _waves(values: Sequence[float], width: int, height: int, across: int, down: int) -> Channel:
    """The lowest cosine waves of a channel: rows first, then columns, since the transform is separable."""
    tables = [[math.cos(math.pi / width * cx * (x + 0.5)) for x in range(width)] for cx in range(across)]
    rows = [values[start : start + width] for start in range(0, width * height, width)]
    columns = [[sum(map(mul, row, table)) for row in rows] for table in tables]
    found = []
    for cy in range(down):
        table = [math.cos(math.pi / height * cy * (y + 0.5)) for y in range(height)]
        kept = [cx for cx in range(across) if cx * down < across * (down - cy)]
        found += [sum(map(mul, columns[cx], table)) / (width * height) for cx in kept]
    mean, waves = found[0], found[1:]
    scale = max(map(abs, waves), default=0.0)
    return mean, [0.5 + 0.5 / scale * wave if scale else wave for wave in waves], scale


def _nibbles(*channels: Channel) -> bytes:
    levels = [round(15 * wave) for wave in chain.from_iterable(waves for _, waves, _ in channels)]
    levels += [0] * (len(levels) % 2)
    return bytes(low | high << 4 for low, high in zip(levels[::2], levels[1::2], strict=True))
