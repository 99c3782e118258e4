"""Makes ICC profiles (ICC.1:2022) for tests: the well-known RGB spaces, a gray one and a plain CMYK one."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from PIL import Image, ImageCms

Triple = tuple[float, float, float]

DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
PROPHOTO = ((0.79767, 0.28804, 0.0), (0.13519, 0.71187, 0.0), (0.03135, 0.00009, 0.82510))
"""Red, green and blue as XYZ adapted to D50."""

_D50 = (0.9642, 1.0, 0.8249)


def rgb_profile(primaries: Sequence[Triple], gamma: float | None) -> bytes:
    """A matrix profile; without ``gamma`` with the curve of sRGB."""
    curve = _srgb_curve() if gamma is None else _gamma_curve(gamma)
    tags = {name: _xyz(triple) for name, triple in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    return _profile(b"mntr", b"RGB ", b"XYZ ", {**tags, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def gray_profile(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _gamma_curve(gamma)})


def cmyk_profile(steps: int = 9) -> bytes:
    """Inks that multiply: enough of a press to see whether a profile was used. A2B0 and B2A0 as 8-bit tables."""
    levels = [round(255 * step / (steps - 1)) for step in range(steps)]
    inks = [(c, m, y, k) for c in levels for m in levels for y in levels for k in levels]
    reds = [tuple(round((255 - ink) * (255 - 0.8 * k) / 255) for ink in (c, m, y)) for c, m, y, k in inks]
    chart = Image.frombytes("RGB", (len(reds), 1), bytes(value for colour in reds for value in colour))
    lab = ImageCms.createProfile("LAB")
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    shown = ImageCms.applyTransform(chart, to_lab)
    assert shown is not None
    # Pillow keeps a and b signed; ICC's 8-bit encoding has its zero at 128.
    bands = [shown.getchannel(0), *(shown.getchannel(i).point(lambda v: (v + 128) % 256) for i in (1, 2))]
    table = bytes(value for point in zip(*(band.tobytes() for band in bands), strict=True) for value in point)
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": _lut8(4, 3, steps, table)})


def _lut8(inputs: int, outputs: int, steps: int, table: bytes) -> bytes:
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    head = b"mft1\0\0\0\0" + bytes((inputs, outputs, steps, 0)) + identity
    return head + bytes(range(256)) * inputs + table + bytes(range(256)) * outputs


def _profile(device: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79)
    everything = {b"desc": text, b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz(_D50), **tags}
    directory, content = struct.pack(">I", len(everything)), b""
    start = 128 + 4 + 12 * len(everything)
    for name, value in everything.items():
        directory += name + struct.pack(">II", start + len(content), len(value))
        content += value + b"\0" * (-len(value) % 4)
    length = start + len(content)
    head = struct.pack(">I4xI4s4s4s12x4s4x4x4x4x8xI", length, 0x02400000, device, space, connection, b"acsp", 0)
    head += struct.pack(">3i", *(round(value * 65536) for value in _D50))
    return head.ljust(128, b"\0") + directory + content


def _xyz(triple: Triple) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in triple))


def _gamma_curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def _srgb_curve() -> bytes:
    def light(signal: float) -> float:
        return signal / 12.92 if signal <= 0.04045 else float(((signal + 0.055) / 1.055) ** 2.4)

    values = [round(65535 * light(step / 1023)) for step in range(1024)]
    return b"curv\0\0\0\0" + struct.pack(">I1024H", 1024, *values)
