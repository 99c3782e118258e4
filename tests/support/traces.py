"""Looks through an output for anything that is not the picture itself."""

from __future__ import annotations

from services.decoder import jpeg_segments, png_chunks, webp_chunks

CANARY = b"CANARY-4f1c"
"""Tests write this into every piece of metadata that a format has."""

_MARKS = (
    CANARY,
    b"Exif\0\0",
    b"ns.adobe.com",
    b"<x:xmpmeta",
    b"Photoshop 3.0",
    b"8BIM",
    b"ICC_PROFILE",
    b"acsp",
    b"GPS",
)
"""How EXIF, XMP, IPTC and profiles begin wherever they are: long enough not to turn up in pixels by chance, bar the
last, which is looked for only in files small enough."""

_JPEG_SEGMENTS = {0xC0, 0xC1, 0xC2, 0xC4, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xEE}
_PNG_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"sRGB", b"IDAT", b"IEND"}
_WEBP_CHUNKS = {b"VP8X", b"ALPH", b"VP8 ", b"VP8L"}


def traces(output: bytes) -> list[str]:
    """What should not be there: metadata, by structure and by content, further images and trailing bytes."""
    marks = _MARKS if len(output) < 100_000 else _MARKS[:-1]
    return odd_parts(output) + [mark.decode() for mark in marks if mark in output]


def odd_parts(output: bytes) -> list[str]:
    """What should not be there by structure alone, so that no pixels can look like it by chance."""
    if output.startswith(b"\xff\xd8"):
        return _jpeg(output)
    return _png(output) if output.startswith(png_chunks.SIGNATURE) else _webp(output)


def _jpeg(output: bytes) -> list[str]:
    found, length = [], 2
    for marker, content in jpeg_segments.segments(output):
        length += 2 + len(content)
        if marker not in _JPEG_SEGMENTS or (marker >= 0xE0 and len(content) > 16):
            found.append(f"segment {marker:02x} of {len(content)} bytes")
    return found + ([f"{len(output) - length} bytes at the end"] if len(output) > length else [])


def _png(output: bytes) -> list[str]:
    found, length = [], 8
    for kind, content in png_chunks.chunks(output):
        length += 12 + len(content)
        if kind not in _PNG_CHUNKS:
            found.append(f"chunk {kind!r}")
    return found + ([f"{len(output) - length} bytes at the end"] if len(output) > length else [])


def _webp(output: bytes) -> list[str]:
    found = [f"chunk {kind!r}" for kind, _ in webp_chunks.chunks(output) if kind not in _WEBP_CHUNKS]
    length = 8 + int.from_bytes(output[4:8], "little")
    return found + ([f"{len(output) - length} bytes at the end"] if len(output) > length else [])
