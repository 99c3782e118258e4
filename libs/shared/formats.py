"""Which format a file has, by its content alone; names and declared types are never asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from libs.shared.boxes import primary_item

Format = Literal["JPEG", "PNG", "WEBP", "HEIF", "AVIF"]
"""The formats that are accepted, under the names that Pillow gives them."""

CONTENT_TYPES: dict[Format, str] = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "HEIF": "image/heif",
    "AVIF": "image/avif",
}
"""Their media types."""

_MAX_FTYP_BYTES = 4096
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_EITHER_BRANDS = {b"mif1", b"mif2", b"msf1", b"miaf"}


@dataclass(frozen=True)
class Sniffed:
    """A format, None for anything that is not accepted, and whether more bytes could change that."""

    format: Format | None
    is_settled: bool


def sniff(head: bytes) -> Sniffed:
    """Tell the format from the first bytes of a file.

    Magic numbers: JPEG ITU-T T.81 B.1.1.3; PNG third edition 5.2; WebP RFC 9649 2.4; ISOBMFF brands as in
    ISO/IEC 23008-12 10 and the AV1 Image File Format 6.
    """
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return Sniffed(found, is_settled=True)
        if magic.startswith(head):
            return Sniffed(None, is_settled=False)
    if b"ftyp".startswith(head[4:8]):
        return _by_brands(head)
    if head.startswith(b"RIFF") and b"WEBP".startswith(head[8:12]):
        return Sniffed("WEBP" if len(head) >= 12 else None, is_settled=len(head) >= 12)
    return Sniffed(None, is_settled=True)


_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
)


def _by_brands(head: bytes) -> Sniffed:
    """Judge by all brands of a file: the major one where it says enough, else the compatible ones."""
    if len(head) < 8:
        return Sniffed(None, is_settled=False)
    size = int.from_bytes(head[:4], "big")
    if not 16 <= size <= _MAX_FTYP_BYTES:
        return Sniffed(None, is_settled=True)
    if len(head) < size:
        return Sniffed(None, is_settled=False)
    major = head[8:12]
    brands = {head[start : start + 4] for start in range(16, size - 3, 4)} | {major}
    is_avif, is_heif = bool(brands & _AVIF_BRANDS), bool(brands & _HEIF_BRANDS)
    if is_avif != is_heif:
        return Sniffed("AVIF" if is_avif else "HEIF", is_settled=True)
    if is_avif and major in _AVIF_BRANDS | _HEIF_BRANDS:
        return Sniffed("AVIF" if major in _AVIF_BRANDS else "HEIF", is_settled=True)
    if not brands & (_EITHER_BRANDS | _AVIF_BRANDS):
        return Sniffed(None, is_settled=True)
    # `mif1` alone says only that it is some HEIF file: how the shown item is coded decides.
    item = primary_item(head)
    return Sniffed("AVIF" if item and item.kind == b"av01" else "HEIF", is_settled=item is not None)
