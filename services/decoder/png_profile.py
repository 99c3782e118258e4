"""Reads the profile of a PNG; Pillow limits its length, and obeys those behind the pixels as well."""

from __future__ import annotations

import zlib

from services.decoder import png_chunks

MAX_PROFILE_BYTES = 16 << 20
"""As much as a JPEG can hold."""


def profile(data: bytes) -> bytes | None:
    """What the first ``iCCP`` chunk before the pixels holds (PNG third edition, 11.3.2.3).

    Returns:
        None where there is none, or it is broken or too long.
    """
    packed = png_chunks.find(data, b"iCCP") or b""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed.partition(b"\0")[2][1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return content if unpacker.eof else None
