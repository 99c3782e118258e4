"""What the first bytes of a file prove: its format and its size. No decoder is involved.

The API asks this while an upload arrives, so that what cannot be accepted is refused before it is stored. A size is
only claimed where Pillow, with the plugins we use, is bound to report the same; the decoder judges the rest.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from libs.shared.boxes import clean_aperture, primary_item, size_of
from libs.shared.formats import Format, sniff

Size = tuple[int, int]
Pixels = Annotated[int, Field(ge=1, lt=2**31)]
"""A picture's width or height; no format has room for more."""

MAX_HEAD_BYTES = 255 * 1024
"""How much of a file it makes sense to look at: one chunk of the blob store."""


@dataclass(frozen=True)
class Header:
    """What is known of a file so far.

    Attributes:
        format: None while unknown, and for good once ``is_format_settled``.
        is_format_settled: more bytes will not change ``format``.
        width: pixels across as Pillow's ``Image.open(...).size`` reports it, None where that is not proven.
        height: pixels down, likewise.
    """

    format: Format | None
    is_format_settled: bool
    width: int | None = None
    height: int | None = None


def probe(head: bytes) -> Header:
    """Tell format and size from the first bytes of a file, as far as they prove them; never raises."""
    sniffed = sniff(head)
    size = _SIZES[sniffed.format](head) if sniffed.format and sniffed.is_settled else None
    width, height = size if size and all(size) else (None, None)
    return Header(sniffed.format, sniffed.is_settled, width, height)


def _png_size(head: bytes) -> Size | None:
    """From IHDR, the first chunk, if its checksum is right (PNG third edition, 11.2.1)."""
    if len(head) < 33 or head[8:16] != b"\0\0\0\rIHDR":
        return None
    if zlib.crc32(head[12:29]) != int.from_bytes(head[29:33], "big"):
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


JPEG_MARKER = re.compile(rb"\xff[^\x00\xff]")
"""Whatever is no marker is passed over: junk, fill bytes and zeros behind them."""

JPEG_STANDALONE = {0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)}
"""Markers that no length follows, as Pillow takes them."""

JPEG_MAX_SEGMENTS = 10_000
"""More than any program wrote; it takes time to walk over each."""

JPEG_FRAMES = {0xDE, *range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA


def _jpeg_size(head: bytes) -> Size | None:
    """From the last frame header before the first scan: ITU-T T.81 B.2.2, walked just as Pillow's JpegImagePlugin."""
    size: Size | None = None
    position = 2
    for _ in range(JPEG_MAX_SEGMENTS):
        found = JPEG_MARKER.search(head, position)
        if found is None:
            return None
        marker, position = head[found.end() - 1], found.end()
        if marker in JPEG_STANDALONE:
            continue
        if marker < 0xC0 or position + 2 > len(head):
            return None
        length = int.from_bytes(head[position : position + 2], "big")
        segment = head[position + 2 : position + length]
        if length < 2 or len(segment) < length - 2:
            return None
        if marker == _START_OF_SCAN:
            return size
        if marker in JPEG_FRAMES:
            if len(segment) < 6 or segment[0] != 8 or segment[5] not in (1, 3, 4):
                return None
            size = int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[1:3], "big")
        position += length
    return None


def _webp_size(head: bytes) -> Size | None:
    """From the first chunk: RFC 9649 sections 2.5, 2.6 and 2.7."""
    if len(head) < 30:
        return None
    kind = head[12:16]
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a" and not head[20] & 1:
        width, height = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


_CONFIGURATIONS = {b"hvc1": b"hvcC", b"av01": b"av1C"}
"""Without which a coded picture cannot be decoded, and libheif shows another one of the file."""
_TRANSFORMS = {b"irot", b"imir", b"clap", b"iscl", b"a1lx", b"a1op", b"lsel"}


def _avif_size(head: bytes) -> Size | None:
    # Only with the major brand `avif` is the primary item bound to be shown, rather than a track.
    return _coded_size(head, b"av01", _TRANSFORMS) if head[8:12] == b"avif" else None


def _heif_size(head: bytes) -> Size | None:
    size = _coded_size(head, b"hvc1", _TRANSFORMS - {b"clap"})
    item = primary_item(head) if size else None
    crops = item.values(b"clap") if item else []
    if size is None or len(crops) > 1:
        return None
    return _cropped(size, crops[0]) if crops else size


def _coded_size(head: bytes, coded_as: bytes, transforms: set[bytes]) -> Size | None:
    """From ``ispe``, where the primary item is one coded picture with none of ``transforms``."""
    item = primary_item(head)
    if item is None or item.kind != coded_as or item.is_ambiguous or not item.values(_CONFIGURATIONS[coded_as]):
        return None
    extents = item.values(b"ispe")
    if len(extents) != 1 or len(extents[0]) < 12 or any(kind in transforms for kind, _ in item.properties):
        return None
    return size_of(extents[0])


_ONE = (1).to_bytes(4, "big")


def _cropped(size: Size, clap: bytes) -> Size | None:
    """The size that is left of ``size`` by a ``clap`` property (ISO/IEC 14496-12, 12.1.4), if in whole pixels.

    Encoders of HEVC pad odd sizes to even ones and crop them again this way.
    """
    try:
        left, top, width, height = clean_aperture(clap, size)
    except ValueError:
        return None
    is_plain = clap[4:8] == clap[12:16] == _ONE and left.denominator == top.denominator == 1
    if not is_plain or not 0 <= left <= size[0] - width or not 0 <= top <= size[1] - height:
        return None
    return int(width), int(height)


_SIZES: dict[Format, Callable[[bytes], Size | None]] = {
    "JPEG": _jpeg_size,
    "PNG": _png_size,
    "WEBP": _webp_size,
    "HEIF": _heif_size,
    "AVIF": _avif_size,
}
