"""Reads the box structure of HEIF and AVIF files: which item is shown, how it is coded, what is done to it.

Structure only: no pixel is touched, every offset is checked, and what is odd raises ValueError. Boxes are those of
ISO/IEC 14496-12 (ISOBMFF) section 4.2 and ISO/IEC 23008-12 (HEIF) sections 6 and 9.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

MAX_BOXES = 20_000
"""More than any file has that a camera or an encoder wrote; libheif stops at 1,000 items."""


_CONTAINERS = {b"meta", b"iinf", b"iprp", b"ipco"}
_SMALLEST_ENTRIES = {b"iloc": 6, b"ipma": 3, b"iref": 2}
"""The boxes that hold a table about items, and how few bytes one entry can take."""
_HEAD_BYTES = 4096
"""Of coded data; more than a sequence header and what comes before it can take."""


class TooManyBoxes(ValueError):
    """There are more than ``MAX_BOXES``."""


@dataclass(frozen=True)
class Box:
    """One box: its four-letter kind, and where in the file its content starts and ends."""

    kind: bytes
    start: int
    end: int


@dataclass(frozen=True)
class PrimaryItem:
    """The item that a file shows.

    Attributes:
        kind: how it is coded: ``hvc1``, ``av01``, ``grid``, ...
        properties: kind and content of each of its properties, in order: ``ispe``, ``irot``, ``colr``, ...; where none
            says what its colours mean, those of the first item that it is made of do, as of a grid's first tile.
        largest_area: the pixels of the largest ``ispe`` in the file, tiles and hidden items included.
        is_ambiguous: the file shows another item, or may: some of its items stand for one another (``grpl``), or
            this one is but the thumbnail of another (``thmb``).
    """

    kind: bytes
    properties: tuple[tuple[bytes, bytes], ...]
    largest_area: int
    is_ambiguous: bool

    def values(self, kind: bytes) -> list[bytes]:
        """The contents of its properties of one kind."""
        return [content for name, content in self.properties if name == kind]


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes between two offsets.

    Raises:
        TooManyBoxes: there are more than anybody needs; it is a ValueError, too.
        ValueError: a box says that it ends beyond ``end``.
    """
    for _ in range(MAX_BOXES):
        if start >= end:
            return
        size, kind, header = _number(data, start, 4, end), data[start + 4 : start + 8], 8
        if size == 1:
            size, header = _number(data, start + 8, 8, end), 16
        elif size == 0:
            size = end - start
        if size < header or start + size > end:
            raise ValueError("a box ends outside its parent")
        yield Box(kind, start + header, start + size)
        start += size
    raise TooManyBoxes


def has_too_many_boxes(data: bytes) -> bool:
    """Whether a file has more boxes and table entries about items than are looked at here.

    The more there are, the longer decoders take over each. A table counts as the entries that it has room for. What
    comes after a box that is odd is not counted: it is left to the decoder.
    """
    parts, unread = 0, [(0, len(data))]
    while unread and parts <= MAX_BOXES:
        try:
            for box in boxes(data, *unread.pop()):
                parts += 1 + (_most_entries(box) if box.kind in _SMALLEST_ENTRIES else 0)
                if box.kind in _CONTAINERS:
                    unread.append((_first_child(data, box), box.end))
        except TooManyBoxes:
            return True
        except ValueError:
            continue
    return parts > MAX_BOXES


def _most_entries(table: Box) -> int:
    return (table.end - table.start) // _SMALLEST_ENTRIES[table.kind]


def _first_child(data: bytes, container: Box) -> int:
    if container.kind == b"iinf":
        return container.start + (8 if _number(data, container.start, 1, container.end) else 6)
    return container.start + (4 if container.kind == b"meta" else 0)


def find_top_level(data: bytes, kind: bytes, total: int) -> Box | None:
    """The first top-level box of a kind whose header lies in ``data``, the first bytes of ``total``."""
    try:
        for box in boxes(data, 0, total):
            if box.kind == kind:
                return box
    except ValueError:
        return None
    return None


def primary_item(data: bytes) -> PrimaryItem | None:
    """What the ``meta`` box says of the primary item; None while it is not all there, or where it is odd."""
    meta = find_top_level(data, b"meta", 1 << 62)
    if meta is None or meta.end > len(data):
        return None
    try:
        return _read_primary(data, {box.kind: box for box in boxes(data, meta.start + 4, meta.end)})
    except (ValueError, LookupError):
        return None


def lacks_parts(data: bytes) -> bool:
    """Whether the file ends before all that its primary item is made of: libheif leaves a hole for a missing tile."""
    try:
        inside = _inside_meta(data)
        places, sources = _places(data, inside[b"iloc"]), _references(data, inside.get(b"iref"), b"dimg")
        unread, parts = [_primary(data, inside[b"pitm"])], set[int]()
        while unread:
            part = unread.pop()
            if part not in parts:
                parts.add(part)
                unread += sources.get(part, [])
    except (ValueError, LookupError):
        return False
    return any(places[part][1] > len(data) for part in parts if part in places)


def coded_head(data: bytes) -> bytes:
    """The first bytes of what the primary item is coded as, or the first item that it is made of; none if it is odd."""
    try:
        inside = _inside_meta(data)
        primary = _primary(data, inside[b"pitm"])
        item = next(iter(_references(data, inside.get(b"iref"), b"dimg").get(primary, [])), primary)
        start, end = _places(data, inside[b"iloc"])[item]
    except (ValueError, LookupError):
        return b""
    return data[start : min(end, start + _HEAD_BYTES)]


def without_exif(data: bytes) -> bytes:
    """The same file with its EXIF items renamed, so that no decoder reads them."""
    meta = find_top_level(data, b"meta", len(data))
    if meta is None:
        return data
    return data[: meta.start] + data[meta.start : meta.end].replace(b"Exif", b"skip") + data[meta.end :]


def _inside_meta(data: bytes) -> dict[bytes, Box]:
    """The boxes of a whole file's ``meta`` box, by kind."""
    meta = find_top_level(data, b"meta", len(data))
    return {box.kind: box for box in boxes(data, meta.start + 4, meta.end)} if meta else {}


def _read_primary(data: bytes, meta: dict[bytes, Box]) -> PrimaryItem | None:
    primary = _primary(data, meta[b"pitm"])
    kind = _item_kinds(data, meta[b"iinf"])[primary]
    parts = list(boxes(data, meta[b"iprp"].start, meta[b"iprp"].end))
    container = next((box for box in parts if box.kind == b"ipco"), None)
    if container is None:
        return None
    everything = list(boxes(data, container.start, container.end))
    tables = [box for box in parts if box.kind == b"ipma"]
    iref = meta.get(b"iref")
    if sum(map(_most_entries, tables + ([iref] if iref else []))) > MAX_BOXES:
        raise TooManyBoxes

    def properties_of(item: int) -> list[Box]:
        return [everything[index - 1] for table in tables for index in _associated(data, table, item)]

    wanted = properties_of(primary)
    if all(box.kind != b"colr" for box in wanted):
        first = _references(data, iref, b"dimg").get(primary, [])[:1]
        wanted += [box for item in first for box in properties_of(item) if box.kind == b"colr"]
    # Each is copied once, however often it is named.
    contents = {box: data[box.start : box.end] for box in set(wanted)}
    properties = tuple((box.kind, contents[box]) for box in wanted)
    areas = [_area(data[box.start : box.end]) for box in everything if box.kind == b"ispe"]
    is_ambiguous = b"grpl" in meta or primary in _references(data, iref, b"thmb")
    return PrimaryItem(kind, properties, max(areas, default=0), is_ambiguous)


def size_of(ispe: bytes) -> tuple[int, int]:
    """Width and height in an ``ispe`` property's content."""
    return _number(ispe, 4, 4, len(ispe)), _number(ispe, 8, 4, len(ispe))


def clean_aperture(clap: bytes, size: tuple[int, int]) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """Left, top, width and height of what a ``clap`` property's content leaves of a size: ISO/IEC 14496-12, 12.1.4.

    Raises:
        ValueError: they are no numbers. Whether they lie inside the picture is not judged.
    """
    if len(clap) < 32:
        raise ValueError("a clean aperture is cut off")
    numbers = struct.unpack(">IIIIiIiI", clap[:32])
    if not all(numbers[1::2]):
        raise ValueError("a fraction has no denominator")
    width, height, across, down = map(Fraction, numbers[::2], numbers[1::2])
    return across + (size[0] - width) / 2, down + (size[1] - height) / 2, width, height


def _area(ispe: bytes) -> int:
    width, height = size_of(ispe)
    return width * height


def _item_kinds(data: bytes, iinf: Box) -> dict[int, bytes]:
    kinds = {}
    for entry in boxes(data, _first_child(data, iinf), iinf.end):
        version = data[entry.start]
        if entry.kind != b"infe" or version < 2:
            continue
        width = 2 if version == 2 else 4
        item = _number(data, entry.start + 4, width, entry.end)
        position = entry.start + 4 + width + 2
        kinds[item] = data[position : position + 4]
    return kinds


def _primary(data: bytes, pitm: Box) -> int:
    return _number(data, pitm.start + 4, 4 if data[pitm.start] else 2, pitm.end)


def _references(data: bytes, iref: Box | None, kind: bytes) -> dict[int, list[int]]:
    """What items refer to in one way: ``dimg`` is to what they are made of, ``thmb`` to what they show small."""
    found: dict[int, list[int]] = {}
    if iref is None:
        return found
    width = 4 if data[iref.start] else 2
    for box in boxes(data, iref.start + 4, iref.end):
        if box.kind == kind:
            owner, count = _number(data, box.start, width, box.end), _number(data, box.start + width, 2, box.end)
            places = range(box.start + width + 2, box.start + width + 2 + count * width, width)
            found.setdefault(owner, []).extend(_number(data, place, width, box.end) for place in places)
    return found


def _places(data: bytes, iloc: Box) -> dict[int, tuple[int, int]]:
    """Where in the file the bytes of each item start and end; not of those that the ``meta`` box brings along."""
    position = iloc.start + 4

    def take(length: int) -> int:
        nonlocal position
        position += length
        return _number(data, position - length, length, iloc.end)

    version, sizes = data[iloc.start], take(2)
    offset_bytes, length_bytes, base_bytes, index_bytes = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    if version == 0:
        index_bytes = 0
    has_extents = offset_bytes + length_bytes + index_bytes > 0
    item_bytes = 4 if version == 2 else 2
    places: dict[int, tuple[int, int]] = {}
    for _ in range(take(item_bytes)):
        item = take(item_bytes)
        is_in_file = not version or not take(2) & 15
        take(2)
        base, extents = take(base_bytes), take(2)
        for _ in range(extents if has_extents else 0):
            take(index_bytes)
            start = base + take(offset_bytes)
            end = start + take(length_bytes)
            if is_in_file:
                first, last = places.get(item, (start, end))
                places[item] = first, max(last, end)
    return places


def _associated(data: bytes, ipma: Box, item: int) -> list[int]:
    """The indexes, from 1, of the properties that an ``ipma`` box gives to one item."""
    item_bytes = 4 if data[ipma.start] else 2
    index_bytes = 2 if data[ipma.start + 3] & 1 else 1
    mask = (1 << (8 * index_bytes - 1)) - 1
    position = ipma.start + 8
    found = []
    for _ in range(_number(data, ipma.start + 4, 4, ipma.end)):
        owner = _number(data, position, item_bytes, ipma.end)
        count = _number(data, position + item_bytes, 1, ipma.end)
        position += item_bytes + 1
        for _ in range(count):
            index = _number(data, position, index_bytes, ipma.end) & mask
            position += index_bytes
            if owner == item and index:
                found.append(index)
    return found


def _number(data: bytes, start: int, length: int, end: int) -> int:
    if start + length > min(end, len(data)):
        raise ValueError("a number ends outside its box")
    return int.from_bytes(data[start : start + length], "big")
