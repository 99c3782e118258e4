"""Writes the ICC profile that a few numbers amount to, so that all colours take the same way to sRGB: littleCMS."""

from __future__ import annotations

import struct
from typing import NamedTuple

Chromaticity = tuple[float, float]
Triple = tuple[float, float, float]
Curve = tuple[float, float, float, float, float]
"""g, a, b, c and d of ICC.1:2022, table 68: (a x + b)^g where x is at least d, else c x."""


class Primaries(NamedTuple):
    """The white and the three primaries of a space, as CIE 1931 x and y."""

    white: Chromaticity
    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity


BT709 = Primaries((0.3127, 0.3290), (0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
"""Those of sRGB."""

SRGB_CURVE: Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_FROM_BRADFORD = (
    (0.9869929, -0.1470543, 0.1599627),
    (0.4323053, 0.5183603, 0.0492912),
    (-0.0085287, 0.0400428, 0.9684867),
)


def matrix_profile(primaries: Primaries, curve: float | Curve) -> bytes | None:
    """An RGB profile after ICC.1:2022, 8.3.3.

    Args:
        primaries: of the space; its white is shown as white.
        curve: from signal to light, by its numbers or, where it is a mere power, by that.

    Returns:
        None where the numbers make no space of colours, or not one that a profile can hold.
    """
    try:
        colorants = [b"XYZ \0\0\0\0" + _fixed(*colorant) for colorant in _colorants(primaries)]
        numbers = curve if isinstance(curve, tuple) else (curve,)
        light = b"para\0\0\0\0\0" + (b"\0" if len(numbers) == 1 else b"\3") + b"\0\0" + _fixed(*numbers)
    except (ZeroDivisionError, struct.error):
        return None
    names = (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC")
    contents = (*colorants, light, light, light)
    position, directory = 128 + 4 + 12 * len(names), b""
    for name, content in zip(names, contents, strict=True):
        directory += name + struct.pack(">II", position, len(content))
        position += len(content)
    head = struct.pack(">I4xI12s12x4s28x", position, 0x04400000, b"mntrRGB XYZ ", b"acsp") + _fixed(*_D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(names)) + directory + b"".join(contents)


def _colorants(primaries: Primaries) -> list[Triple]:
    """What the three primaries contribute to white, as XYZ, adapted to D50 (ICC.1:2022, annex E)."""
    white, red, green, blue = (_xyz(*point) for point in primaries)
    whole = _volume(red, green, blue)
    shares = (_volume(white, green, blue), _volume(red, white, blue), _volume(red, green, white))
    source, target = _times(_BRADFORD, white), _times(_BRADFORD, _D50)
    adapted = []
    for primary, share in zip((red, green, blue), shares, strict=True):
        cones = _times(_BRADFORD, primary)
        long, middle, short = (share / whole * cones[i] * target[i] / source[i] for i in range(3))
        adapted.append(_times(_FROM_BRADFORD, (long, middle, short)))
    return adapted


def _xyz(x: float, y: float) -> Triple:
    return x / y, 1.0, (1 - x - y) / y


def _volume(a: Triple, b: Triple, c: Triple) -> float:
    """The determinant."""
    return a[0] * (b[1] * c[2] - b[2] * c[1]) - b[0] * (a[1] * c[2] - a[2] * c[1]) + c[0] * (a[1] * b[2] - a[2] * b[1])


def _times(matrix: tuple[Triple, Triple, Triple], vector: Triple) -> Triple:
    first, second, third = (sum(factor * value for factor, value in zip(row, vector, strict=True)) for row in matrix)
    return first, second, third


def _fixed(*values: float) -> bytes:
    """As s15Fixed16Number."""
    return struct.pack(f">{len(values)}i", *(round(value * 65_536) for value in values))
