"""Finds the pixels of the one colour that a gray or RGB PNG calls transparent, where Pillow does not.

The tRNS chunk names the colour as stored (PNG third edition, 11.3.1.1), and Pillow has made 8 bits of all else.
"""

from __future__ import annotations

from PIL import Image, ImageChops

from services.decoder import opening, strip_png
from services.decoder.work import Work

_GRAY, _RGB = 0, 2


def make_clear(work: Work) -> None:
    """Say with 8 bits which gray is transparent, and give 16-bit RGB its alpha channel at once.

    The thumbnailer sees no more than Pillow does, so the file itself may not be kept.
    """
    if work.format != "PNG" or "transparency" not in work.stored.info:
        return
    bits, colour_type = work.data[24:26]
    if colour_type == _GRAY and bits in (2, 4):
        top = 2**bits - 1
        work.shown.info["transparency"] = (work.stored.info["transparency"] & top) * 255 // top
        work.is_normal = False
    elif colour_type == _RGB and bits == 16:
        opaque = _opaque_pixels(work)
        work.shown = work.shown.copy()
        work.shown.putalpha(opaque)


def _opaque_pixels(work: Work) -> Image.Image:
    """255 where a 16-bit RGB picture has any colour but the transparent one, else 0."""
    opaque = Image.new("L", work.stored.size)
    for picture, shift in ((work.stored, 8), (_low_bytes(work.data), 0)):
        for band, level in zip(picture.split(), work.stored.info["transparency"], strict=True):
            byte = level >> shift & 255
            opaque = ImageChops.lighter(opaque, band.point([255 * (value != byte) for value in range(256)]))
    return opaque


def _low_bytes(data: bytes) -> Image.Image:
    """The lower bytes of 16-bit RGB samples; since Pillow keeps the upper ones only, it takes a second decode."""
    picture = opening.open_header(strip_png.without_text(data), "PNG")
    picture.tile = [tile._replace(args="RGB;16L") for tile in picture.tile]
    return opening.load(picture, data, "PNG")
