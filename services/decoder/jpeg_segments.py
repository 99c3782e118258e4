"""The segments of a JPEG: whether they are sound, and the file without all that is not its picture, bit for bit.

The structure is that of ITU-T T.81 annex B; JFIF (ITU-T T.871) and Adobe's APP14 are the two application segments that
decide how samples become colours, so they stay, the former without its thumbnail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from libs.shared.imaging import JPEG_FRAMES, JPEG_MARKER, JPEG_MAX_SEGMENTS, JPEG_STANDALONE

_END = 0xD9
_START_OF_SCAN = 0xDA
_APP2 = 0xE2
_KEPT_TABLES = {0xC4, 0xDB, 0xDD}
"""DHT, DQT and DRI."""

_SHOWN_FRAMES = {0xC0, 0xC1, 0xC2}
"""Baseline, extended sequential and progressive Huffman coding: what every browser decodes."""

_DROPPED = {*range(0xE0, 0xF0), 0xFE}
"""APPn and COM."""

MAX_IDLE_BYTES = 1 << 20
MAX_EXIF_SEGMENTS = 64
"""More than any program wrote; decoders take time over each byte that belongs to no segment."""

_TOO_MUCH_FILL = b"\xff" * MAX_IDLE_BYTES
_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""The end of entropy-coded data: a marker that is neither a stuffed byte nor a restart."""


class CutOff(ValueError):
    """The data ends where more must follow."""


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each marker with the bytes that belong to it: its content, after SOS the entropy-coded data as well.

    Ends with the end of the image, whatever follows it. Junk between segments is passed over, as libjpeg does.

    Raises:
        CutOff: the data ends in the middle; it is a ValueError, too.
        ValueError: a marker stands where none may, or there are too many.
    """
    position = 2
    for _ in range(JPEG_MAX_SEGMENTS):
        found = JPEG_MARKER.search(data, position)
        if found is None:
            raise CutOff("no end of image")
        marker, position = data[found.end() - 1], found.end()
        if marker == _END:
            yield marker, b""
            return
        end = position + int.from_bytes(data[position : position + 2], "big")
        if marker < 0xC0 or 0xD0 <= marker < _END:
            raise ValueError("a segment that no JPEG has")
        if max(end, position + 2) > len(data):
            raise CutOff("a segment is cut off")
        if end < position + 2:
            raise ValueError("a segment without a length")
        if marker == _START_OF_SCAN:
            found = _NEXT_MARKER.search(data, end)
            if found is None:
                raise CutOff("no end of image")
            end = found.start()
        yield marker, data[position:end]
        position = end
    raise ValueError("too many segments")


def strip(data: bytes) -> bytes | None:
    """The same picture with no metadata, comments, thumbnails, further images or trailing bytes.

    Returns:
        None where the file holds anything that cannot be copied safely; it is still a JPEG that may be decoded.
    """
    parts = [b"\xff\xd8"]
    frames = 0
    try:
        for marker, content in segments(data):
            kept = _kept(marker, content)
            if marker in _SHOWN_FRAMES:
                frames += 1
            elif kept is None and marker not in _DROPPED:
                return None
            if kept is not None:
                parts += (bytes((0xFF, marker)), kept)
    except ValueError:
        return None
    return b"".join(parts) if frames == 1 else None


def _kept(marker: int, content: bytes) -> bytes | None:
    if marker in _KEPT_TABLES or marker in _SHOWN_FRAMES or marker in (_START_OF_SCAN, _END):
        return content
    if marker == 0xE0 and content[2:7] == b"JFIF\0" and len(content) >= 16:
        return b"\x00\x10" + content[2:14] + b"\x00\x00"
    if marker == 0xEE and content[2:7] == b"Adobe" and len(content) >= 14:
        return b"\x00\x0e" + content[2:14]
    return None


def profile(data: bytes) -> bytes | None:
    """The profile in APP2 segments before the first scan (ICC.1:2022, annex B.4); None where a part is missing.

    Pillow only joins those before the frame header, and none of them where a program added a second profile. Browsers
    take them all, and the first of each number.
    """
    parts: dict[int, bytes] = {}
    try:
        for marker, content in segments(data):
            if marker == _START_OF_SCAN:
                break
            if marker == _APP2 and content[2:14] == b"ICC_PROFILE\0" and len(content) > 16:
                parts.setdefault(content[14], content)
    except ValueError:
        pass  # What was found before still counts.
    count = next(iter(parts.values()))[15] if parts else 0
    numbers = range(1, count + 1)
    return b"".join(parts[number][16:] for number in numbers) if count and parts.keys() == {*numbers} else None


def is_overlong(data: bytes) -> bool:
    """Whether there is more than any picture needs.

    What is before the first scan is walked just as Pillow's JpegImagePlugin does; behind it, libjpeg looks again at all
    fill bytes since the last sample whenever it is given more of them. Behind the end of the image nobody looks.
    """
    fill = data.find(_TOO_MUCH_FILL)
    if fill >= 0 and not _has_end(data[:fill]):
        return True
    position, idle_bytes, exif_segments = 2, 0, 0
    for _ in range(JPEG_MAX_SEGMENTS):
        found = JPEG_MARKER.search(data, position)
        if found is None:
            return len(data) - position + idle_bytes > MAX_IDLE_BYTES
        idle_bytes += found.start() - position
        marker, position = data[found.end() - 1], found.end()
        if marker == _START_OF_SCAN or marker < 0xC0:
            return idle_bytes > MAX_IDLE_BYTES
        if marker in JPEG_STANDALONE:
            continue
        # Pillow joins what it has of EXIF anew with every segment.
        exif_segments += marker == 0xE1 and data[position + 2 : position + 6] == b"Exif"
        position += max(2, int.from_bytes(data[position : position + 2], "big"))
        if idle_bytes > MAX_IDLE_BYTES or exif_segments > MAX_EXIF_SEGMENTS:
            return True
    return True


def _has_end(data: bytes) -> bool:
    """Whether the image ends within ``data``, with nothing wrong before."""
    try:
        return any(marker == _END for marker, _ in segments(data))
    except ValueError:
        return False


def has_more_scans(data: bytes, most: int) -> bool:
    """Whether a file asks for more scans to be decoded, which may cost a pass over the whole picture each."""
    if data.count(bytes((0xFF, _START_OF_SCAN))) <= most:  # those of thumbnails included
        return False
    try:
        return sum(marker == _START_OF_SCAN for marker, _ in segments(data)) > most
    except ValueError:
        return True


def is_cut_off(data: bytes) -> bool:
    """Whether the end of the image is missing; what embedded thumbnails have of their own does not count."""
    try:
        for _ in segments(data):
            pass
    except CutOff:
        return True
    except ValueError:
        return False
    return False


def is_uncommonly_coded(data: bytes) -> bool:
    """Whether the frame is arithmetically coded, lossless, hierarchical or deeper than 8 bits."""
    try:
        for marker, content in segments(data):
            if marker in JPEG_FRAMES:
                return marker not in _SHOWN_FRAMES or content[2:3] != b"\x08"
    except ValueError:
        return False
    return False
