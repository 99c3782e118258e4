"""Colour by gAMA and cHRM, the oldest way of a PNG to say what its samples mean (PNG third edition, 11.3.2)."""

from __future__ import annotations

import struct

from services.decoder import png_chunks
from services.decoder.matrix_profile import BT709, Primaries, matrix_profile

_SRGB_GAMMA, _GAMMA_ROUNDING = 45_455, 500
"""Of 100,000. Writers of sRGB say 45455, or 45000; the difference between its curve and a power is not meant."""
_CHROMATICITY_ROUNDING = 0.001


def profile(data: bytes) -> bytes | None:
    """The profile that the two chunks of a PNG amount to; None where they say sRGB, or nothing that makes sense.

    Primaries say nothing without a gamma, as in Chromium, and neither does where there is an sRGB chunk. A chunk whose
    length is wrong says nothing at all.
    """
    gamma = int.from_bytes(_content(data, b"gAMA", 4), "big")
    if not gamma or _content(data, b"sRGB", 1):
        return None
    chromaticities = _content(data, b"cHRM", 32)
    primaries = _primaries(chromaticities) if chromaticities else BT709
    if abs(gamma - _SRGB_GAMMA) <= _GAMMA_ROUNDING and _are_those_of_srgb(primaries):
        return None
    return matrix_profile(primaries, 100_000 / gamma)


def _content(data: bytes, kind: bytes, length: int) -> bytes:
    content = png_chunks.find(data, kind)
    return content if content is not None and len(content) == length else b""


def _primaries(content: bytes) -> Primaries:
    white_x, white_y, red_x, red_y, green_x, green_y, blue_x, blue_y = (
        value / 100_000 for value in struct.unpack(">8I", content)
    )
    return Primaries((white_x, white_y), (red_x, red_y), (green_x, green_y), (blue_x, blue_y))


def _are_those_of_srgb(primaries: Primaries) -> bool:
    pairs = zip(primaries, BT709, strict=True)
    return all(abs(one[axis] - other[axis]) <= _CHROMATICITY_ROUNDING for one, other in pairs for axis in (0, 1))
