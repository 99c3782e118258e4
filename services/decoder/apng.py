"""Finds the first frame of an animated PNG that leaves its still picture out of the animation.

The still is for programs that know nothing of animations; all others show the frames: PNG third edition, 4.9.
"""

from __future__ import annotations

from itertools import takewhile

from services.decoder import png_chunks

_PIXELS = {b"acTL", b"fcTL", b"fdAT", b"IDAT"}
_MAX_FRAMES = 1 << 31


def first_frame(data: bytes) -> bytes | None:
    """The first frame as a PNG of its own, with all that the file says of its colours and of itself.

    Pillow would draw it over the still, from which a transparent frame must not take anything.

    Returns:
        None where the still is shown first after all. It is, too, where the frame is smaller than the canvas, which is
        allowed and not known to be written.
    """
    if png_chunks.find(data, b"acTL") is None:
        return None
    try:
        chunks = list(png_chunks.chunks(data))
        kinds = [kind for kind, _ in chunks]
        still, control = kinds.index(b"IDAT"), kinds.index(b"fcTL")
    except ValueError:
        return None
    announced = [content for kind, content in chunks[:still] if kind == b"acTL"]
    fills_canvas = chunks[control][1][4:20] == chunks[0][1][:8] + bytes(8)
    if control < still or not fills_canvas or len(announced) != 1 or not _is_possible(announced[0]):
        return None
    later = takewhile(lambda part: part[0] != b"fcTL", chunks[control + 1 :])
    pixels = b"".join(content[4:] for kind, content in later if kind == b"fdAT")
    before, behind = ([part for part in parts if part[0] not in _PIXELS] for parts in (chunks[:still], chunks[still:]))
    parts = [*before, (b"IDAT", pixels), *behind]
    return png_chunks.SIGNATURE + b"".join(png_chunks.chunk(*part) for part in parts) if pixels else None


def _is_possible(control: bytes) -> bool:
    """Whether an ``acTL`` names a number of frames; else browsers ignore the animation."""
    return len(control) == 8 and 0 < int.from_bytes(control[:4], "big") < _MAX_FRAMES
