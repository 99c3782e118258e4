"""Writes PNG files of every bit depth and with any chunks, which Pillow does not."""

from __future__ import annotations

import struct
import zlib

from services.decoder.png_chunks import SIGNATURE, chunk

GRAY, RGB, PALETTE, GRAY_ALPHA = 0, 2, 3, 4
"""Colour types."""

Chunk = tuple[bytes, bytes]


def png(bits: int, colour_type: int, rows: list[list[int]], *before_pixels: Chunk) -> bytes:
    """A PNG of samples as they are, those of one pixel after the other; ``before_pixels`` come right after IHDR."""
    channels = {RGB: 3, GRAY_ALPHA: 2}.get(colour_type, 1)
    header = struct.pack(">IIBBBBB", len(rows[0]) // channels, len(rows), bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + _packed(row, bits) for row in rows))
    return _file((b"IHDR", header), *before_pixels, (b"IDAT", pixels), (b"IEND", b""))


def with_chunks(data: bytes, *added: Chunk) -> bytes:
    """A PNG with chunks added right after its IHDR."""
    return data[:33] + _file(*added)[8:] + data[33:]


def gamma(exponent: float) -> Chunk:
    """A gAMA chunk for samples that are light to the power of ``exponent``."""
    return b"gAMA", struct.pack(">I", round(100_000 * exponent))


def chromaticities(*values: float) -> Chunk:
    """A cHRM chunk: x and y of white, red, green and blue."""
    return b"cHRM", struct.pack(">8I", *(round(100_000 * value) for value in values))


def code_points(primaries: int, transfer: int, matrix: int = 0, is_full_range: bool = True) -> Chunk:
    return b"cICP", bytes((primaries, transfer, matrix, is_full_range))


def profile(content: bytes) -> Chunk:
    return b"iCCP", b"a name\0\0" + zlib.compress(content)


def _file(*parts: Chunk) -> bytes:
    return SIGNATURE + b"".join(chunk(kind, content) for kind, content in parts)


def _packed(row: list[int], bits: int) -> bytes:
    digits = "".join(f"{sample:0{bits}b}" for sample in row)
    digits += "0" * (-len(digits) % 8)
    return int(digits, 2).to_bytes(len(digits) // 8, "big")
