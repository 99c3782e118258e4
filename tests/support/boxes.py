"""Rebuilds the transforms of HEIF and AVIF files, for pictures that no encoder would write."""

from __future__ import annotations

import struct

from libs.shared.boxes import Box, boxes, primary_item

Ratio = tuple[int, int]
"""A numerator and its denominator."""


def irot(quarter_turns: int) -> bytes:
    """A rotation by so many times 90 degrees, anti-clockwise (ISO/IEC 23008-12, 6.5.10)."""
    return _box(b"irot", bytes((quarter_turns,)))


def imir(axis: int) -> bytes:
    """A mirroring: 0 swaps top and bottom, 1 left and right (ISO/IEC 23008-12, 6.5.12, 2022)."""
    return _box(b"imir", bytes((axis,)))


def clap(width: Ratio, height: Ratio, across: Ratio = (0, 1), down: Ratio = (0, 1)) -> bytes:
    """A clean aperture of that size, its centre so far from the picture's (ISO/IEC 14496-12, 12.1.4)."""
    return _box(b"clap", struct.pack(">IIIIiIiI", *width, *height, *across, *down))


def with_transforms(data: bytes, *transforms: bytes) -> bytes:
    """The file with these as the only transforms of its primary item; its other properties stay.

    The old ones are turned into ``free`` boxes, so that indexes and offsets stay right, and the new ones are added at
    the end of ``ipco``; ``iloc`` offsets into the media data are moved by as much as the head has grown.
    """
    out = bytearray(data)
    meta = _find(data, 0, len(data), b"meta")
    inside = {box.kind: box for box in boxes(data, meta.start + 4, meta.end)}
    parts = {box.kind: box for box in boxes(data, inside[b"iprp"].start, inside[b"iprp"].end)}
    properties = list(boxes(data, parts[b"ipco"].start, parts[b"ipco"].end))
    gone = {number for number, box in enumerate(properties, 1) if box.kind in (b"irot", b"imir")}
    for number in gone:
        out[properties[number - 1].start - 4 : properties[number - 1].start] = b"free"
    added = b"".join(transforms)
    first_new = len(properties) + 1
    numbers = range(first_new, first_new + len(transforms))
    ipma, grown = _associations(data, parts[b"ipma"], _primary(data, inside[b"pitm"]), gone, [*numbers])
    growth = len(added) + grown
    _move_locations(out, inside[b"iloc"], meta.end, growth)
    for box, by in ((parts[b"ipco"], len(added)), (inside[b"iprp"], growth), (meta, growth)):
        out[box.start - 8 : box.start - 4] = (box.end - box.start + 8 + by).to_bytes(4, "big")
    head = bytes(out[: parts[b"ipco"].end]) + added
    return head + bytes(out[parts[b"ipco"].end : parts[b"ipma"].start - 8]) + ipma + bytes(out[parts[b"ipma"].end :])


def _associations(data: bytes, ipma: Box, item: int, gone: set[int], new: list[int]) -> tuple[bytes, int]:
    assert not data[ipma.start], "only version 0 is written by the encoders that tests use"
    width = 2 if data[ipma.start + 3] & 1 else 1
    position, out = ipma.start + 8, bytearray(data[ipma.start : ipma.start + 8])
    for _ in range(int.from_bytes(data[ipma.start + 4 : ipma.start + 8], "big")):
        owner, count = int.from_bytes(data[position : position + 2], "big"), data[position + 2]
        position += 3
        indexes = [int.from_bytes(data[position + i * width :][:width], "big") for i in range(count)]
        position += count * width
        mask = (1 << (8 * width - 1)) - 1
        kept = [index for index in indexes if index & mask not in gone]
        if owner == item:
            kept += [number | mask + 1 for number in new]
        out += owner.to_bytes(2, "big") + bytes((len(kept),))
        out += b"".join(index.to_bytes(width, "big") for index in kept)
    whole = _box(b"ipma", bytes(out))
    return whole, len(whole) - (ipma.end - ipma.start + 8)


def _move_locations(out: bytearray, iloc: Box, head_end: int, growth: int) -> None:
    """Add ``growth`` to every extent's offset that points behind the head; versions 0 and 1 with 4-byte fields."""
    version, sizes = out[iloc.start], out[iloc.start + 4 : iloc.start + 6]
    assert version < 2
    assert sizes[0] >> 4 == 4
    offset_bytes, length_bytes, base_bytes = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4
    position = iloc.start + 8
    for _ in range(int.from_bytes(out[iloc.start + 6 : iloc.start + 8], "big")):
        is_in_file = version == 0 or not out[position + 3] & 15
        position += (4 if version else 2) + 2
        base = int.from_bytes(out[position : position + base_bytes], "big")
        is_moved_by_base = is_in_file and base >= head_end
        if is_moved_by_base:
            out[position : position + base_bytes] = (base + growth).to_bytes(base_bytes, "big")
        position += base_bytes
        extents = int.from_bytes(out[position : position + 2], "big")
        position += 2
        for _ in range(extents):
            offset = int.from_bytes(out[position : position + offset_bytes], "big")
            if is_in_file and not is_moved_by_base and base + offset >= head_end:
                out[position : position + offset_bytes] = (offset + growth).to_bytes(offset_bytes, "big")
            position += offset_bytes + length_bytes


def _primary(data: bytes, pitm: Box) -> int:
    return int.from_bytes(data[pitm.start + 4 : pitm.end], "big")


def _find(data: bytes, start: int, end: int, kind: bytes) -> Box:
    return next(box for box in boxes(data, start, end) if box.kind == kind)


def _box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def with_code_points(data: bytes, primaries: int, transfer: int) -> bytes:
    """The file with other colour code points in its ``colr`` box of kind ``nclx``."""
    place = data.index(b"colrnclx") + 8
    return data[:place] + primaries.to_bytes(2, "big") + transfer.to_bytes(2, "big") + data[place + 4 :]


def with_code_points_in_av1_alone(data: bytes, primaries: int, transfer: int) -> bytes:
    """An AVIF of Pillow's with other colour code points, which no box tells any more but the coded picture does."""
    place = data.index(b"colrnclx") + 8
    told = int.from_bytes(data[place : place + 6], "big")
    primaries_in_box, transfer_in_box, matrix = told >> 32, told >> 16 & 0xFFFF, told & 0xFFFF
    old, new = (
        f"1{first:08b}{second:08b}{matrix:08b}"
        for first, second in ((primaries_in_box, transfer_in_box), (primaries, transfer))
    )
    start = _find(data, 0, len(data), b"mdat").start
    header = "".join(f"{byte:08b}" for byte in data[start : start + 24])
    assert old in header, "the encoder tells the colours in its sequence header, too"
    changed = int(header.replace(old, new, 1), 2).to_bytes(24, "big")
    return (data[:start] + changed + data[start + 24 :]).replace(b"colrnclx", b"freenclx")


def as_tile(data: bytes) -> bytes:
    """A file whose picture is a grid of one tile, the one of a file of one item; of its own the grid has but a size."""
    item, coded = primary_item(data), _find(data, 0, len(data), b"mdat")
    assert item is not None
    size = item.values(b"ispe")[0]
    properties = b"".join(_box(kind, content) for kind, content in item.properties)
    indexes = bytes(range(2, 2 + len(item.properties)))
    ipma = _box(b"ipma", struct.pack(">IIHBBHB", 0, 2, 1, 1, 1, 2, len(indexes)) + indexes)
    iprp = _box(b"iprp", _box(b"ipco", _box(b"ispe", size) + properties) + ipma)
    kinds = ((1, b"grid"), (2, item.kind))
    entries = b"".join(_box(b"infe", struct.pack(">IHH4sx", 2 << 24, number, 0, kind)) for number, kind in kinds)
    grid = struct.pack(">BBBBII", 0, 1, 0, 0, *struct.unpack(">II", size[4:]))

    def meta(start: int) -> bytes:
        places = (
            struct.pack(">HHHHII", 1, 1, 0, 1, 0, len(grid)),
            struct.pack(">HHHHII", 2, 0, 0, 1, start, coded.end - coded.start),
        )
        return _box(
            b"meta",
            bytes(4)
            + _box(b"hdlr", struct.pack(">8x4s13x", b"pict"))
            + _box(b"pitm", struct.pack(">IH", 0, 1))
            + _box(b"iinf", struct.pack(">IH", 0, 2) + entries)
            + _box(b"iref", bytes(4) + _box(b"dimg", struct.pack(">HHH", 1, 1, 2)))
            + _box(b"iloc", struct.pack(">IBBH", 1 << 24, 0x44, 0, 2) + b"".join(places))
            + iprp
            + _box(b"idat", grid),
        )

    ftyp = data[: int.from_bytes(data[:4], "big")]
    return ftyp + meta(len(ftyp) + len(meta(0)) + 8) + data[coded.start - 8 : coded.end]
