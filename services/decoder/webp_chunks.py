"""The chunks of a WebP (RFC 9649, section 2), and the file without all that is not its picture, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator

_ALPHA_FLAG = 0x10


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk that lies within the length that the RIFF header states.

    Raises:
        ValueError: the data ends in the middle.
    """
    end = min(8 + int.from_bytes(data[4:8], "little"), len(data))
    position = 12
    while position + 8 <= end:
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if position + 8 + length > end:
            raise ValueError("a chunk is cut off")
        yield data[position : position + 4], data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def strip(data: bytes) -> bytes | None:
    """The same picture with no profile, metadata, unknown chunks or trailing bytes.

    Returns:
        None where the file is not one still picture in the usual order.
    """
    try:
        found = [(kind, content) for kind, content in chunks(data) if kind in _PICTURE]
    except ValueError:
        return None
    kinds = [kind for kind, _ in found]
    if kinds in ([b"VP8 "], [b"VP8L"]):
        return _riff(found)
    if kinds in ([b"VP8X", b"VP8 "], [b"VP8X", b"VP8L"]):
        return _riff(found[1:])
    if kinds == [b"VP8X", b"ALPH", b"VP8 "] and len(found[0][1]) == 10:
        header = found[0][1]
        if not header[0] & _ALPHA_FLAG:
            return _riff(found[2:])  # without the flag its alpha channel is not shown
        return _riff([(b"VP8X", bytes((_ALPHA_FLAG, 0, 0, 0)) + header[4:]), *found[1:]])
    return None


_PICTURE = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"}


def _riff(parts: list[tuple[bytes, bytes]]) -> bytes:
    body = b"WEBP" + b"".join(
        kind + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2) for kind, content in parts
    )
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def is_cut_off(data: bytes) -> bool:
    """Whether there are fewer bytes than the RIFF header states, or none at all behind it."""
    return len(data) <= 12 or 8 + int.from_bytes(data[4:8], "little") > len(data) + 1
