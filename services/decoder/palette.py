"""Finds pixels of a PNG whose index lies beyond its palette.

PNG calls it an error (third edition, 11.2.2). Chromium shows the last colour, libpng black, and so does Pillow.
"""

from __future__ import annotations

from services.decoder import png_chunks
from services.decoder.work import Work


def notice_missing_colours(work: Work) -> None:
    """Keep no file whose pixels need more of its palette than there is."""
    if work.format != "PNG" or work.stored.mode != "P":
        return
    bits, _ = png_chunks.samples(work.data)
    colours = len(png_chunks.find(work.data, b"PLTE") or b"") // 3
    if colours < 1 << bits:
        work.is_normal &= max(work.stored.histogram()[colours:]) == 0
