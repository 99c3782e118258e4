"""The chunks of a PNG: what they say, and the file without all that is not its picture; pixels stay compressed.

Chunks and their order are those of the PNG specification, third edition (W3C), sections 5 and 11.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_PLACES = {
    b"IHDR": 0,
    b"sRGB": 1,
    b"PLTE": 2,
    b"tRNS": 3,
    b"IDAT": 4,
    b"IEND": 5,
}
"""What is kept, in the order that it must have."""

_GRAY, _RGB, _PALETTE = 0, 2, 3
_DEPTHS = {1, 2, 4, 8}
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_LIMITED = _TEXTS | {b"iCCP"}
_NAMES = (b"exif\0", b"interlace\0", b"transparency\0")
"""Of texts that Pillow would keep in the place of what other chunks say."""


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk up to IEND, whatever follows it.

    Raises:
        ValueError: the data ends in the middle.
    """
    return ((kind, data[start:end]) for kind, start, end in places(data))


def places(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind of each chunk up to IEND, and where its content starts and ends; nothing of that is copied.

    Raises:
        ValueError: the data ends in the middle.
    """
    start = len(SIGNATURE) + 8
    while True:
        end = start + int.from_bytes(data[start - 8 : start - 4], "big")
        kind = data[start - 4 : start]
        if end + 4 > len(data):
            raise ValueError("a chunk is cut off")
        yield kind, start, end
        if kind == b"IEND":
            return
        start = end + 12


def samples(data: bytes) -> tuple[int, int]:
    """How many bits a sample has, and the colour type."""
    header = (find(data, b"IHDR") or b"").ljust(10, b"\0")
    return header[8], header[9]


def strip(data: bytes) -> bytes | None:
    """The same picture with no metadata, animation or trailing bytes, and nothing said of its colours but sRGB.

    Args:
        data: a PNG that a decoder found sound, in sRGB.

    Returns:
        None where the file holds anything that cannot be copied safely.
    """
    kept: list[tuple[bytes, bytes]] = []
    _, colour_type = samples(data)
    try:
        for kind, start, end in places(data):
            is_idle = kind == b"PLTE" and colour_type != _PALETTE
            if kind in _PLACES and not is_idle and _counts(data, start, end):
                kept.append((kind, data[start:end]))
            elif kind[:1].isupper() and not is_idle:
                return None
    except ValueError:
        return None
    if not _is_in_order([kind for kind, _ in kept]) or not _is_well_formed(dict(kept)):
        return None
    return SIGNATURE + b"".join(chunk(kind, content) for kind, content in kept)


def _is_in_order(kinds: list[bytes]) -> bool:
    """Whether the chunks are those that browsers insist on, once each, in the order of section 5.6."""
    places = [_PLACES[kind] for kind in kinds]
    once = [kind for kind in kinds if kind != b"IDAT"]
    return places == sorted(places) and len(once) == len(set(once)) and {b"IHDR", b"IDAT", b"IEND"} <= set(kinds)


def _is_well_formed(found: dict[bytes, bytes]) -> bool:
    """Whether the chunks say what sections 11.2 and 11.3 let them say; programs differ over what is odd."""
    header, colours, clear = found[b"IHDR"], found.get(b"PLTE", b""), found.get(b"tRNS")
    if len(header) != 13 or header[10:12] != b"\0\0" or header[12] > 1 or found[b"IEND"]:
        return False
    depth, colour_type = header[8:10]
    if colour_type == _PALETTE and (depth not in _DEPTHS or len(colours) % 3 or not 3 <= len(colours) <= 3 << depth):
        return False
    return len(found.get(b"sRGB", b"\0")) == 1 and (
        clear is None or _is_clear_colour(clear, depth, colour_type, colours)
    )


def _is_clear_colour(clear: bytes, depth: int, colour_type: int, colours: bytes) -> bool:
    if colour_type == _PALETTE:
        return 0 < len(clear) <= len(colours) // 3
    lengths = {_GRAY: 2, _RGB: 6}
    levels = (int.from_bytes(clear[start : start + 2], "big") for start in range(0, len(clear), 2))
    return len(clear) == lengths.get(colour_type) and all(level < 1 << depth for level in levels)


def chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk, with its length and checksum."""
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def without_text_and_profiles(data: bytes) -> bytes:
    """The same file without what decoders limit the length of, and without chunks that do not count.

    The pixels depend on neither. Critical chunks are copied as they are, right or wrong, and so is one that is cut off.
    """
    parts, done = [SIGNATURE], len(SIGNATURE)
    try:
        for kind, start, end in places(data):
            done = end + 4
            if kind not in _LIMITED and _counts(data, start, end):
                parts.append(data[start - 8 : done])
    except ValueError:
        parts.append(data[done:])
    return b"".join(parts)


def has_misleading_text(data: bytes) -> bool:
    """Whether Pillow would take a text of the file for what decides how the picture is read or shown."""
    try:
        return any(kind in _TEXTS and data.startswith(_NAMES, start, end) for kind, start, end in places(data))
    except ValueError:
        return False


def _counts(data: bytes, start: int, end: int) -> bool:
    """Whether a chunk is to be obeyed; no decoder obeys an ancillary one whose checksum is wrong."""
    is_critical = data[start - 4 : start - 3].isupper()
    return is_critical or zlib.crc32(data[start - 4 : end]) == int.from_bytes(data[end : end + 4], "big")


def find(data: bytes, kind: bytes) -> bytes | None:
    """The content of the first chunk of a kind that counts; None where there is none before the pixels."""
    try:
        for present, start, end in places(data):
            if present == kind and _counts(data, start, end):
                return data[start:end]
            if present == b"IDAT":
                break
    except ValueError:
        pass  # It is not in what there is of the file.
    return None


def is_cut_off(data: bytes) -> bool:
    """Whether a PNG that begins as it must lacks its last chunk."""
    if not b"\0\0\0\rIHDR".startswith(data[8:16]):
        return False
    try:
        for _ in places(data):
            pass
    except ValueError:
        return True
    return False
