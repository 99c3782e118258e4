"""Finds the pixels of the one colour that a gray or RGB PNG calls transparent, where Pillow does not.

The tRNS chunk names the colour as stored (PNG third edition, 11.3.1.1), and Pillow has made 8 bits of all else.
"""

from __future__ import annotations

from PIL import Image, ImageChops

from services.decoder import opening, png_chunks
from services.decoder.work import Work

_KINDS: dict[str, tuple[type, ...]] = {"P": (int, bytes), "RGB": (tuple,)}
"""What Pillow calls transparent in its modes; in others it is one level."""


def make_clear(work: Work) -> None:
    """Say with 8 bits which gray is transparent, and give 16-bit RGB its alpha channel at once.

    The thumbnailer sees no more than Pillow does, so the file itself may not be kept.
    """
    clear = work.stored.info.get("transparency")
    if work.format != "PNG" or clear is None:
        return
    bits, _ = png_chunks.samples(work.data)
    top = 2**bits - 1
    is_fitting = isinstance(clear, _KINDS.get(work.stored.mode, (int,)))
    if not is_fitting:
        # A file may have two headers, and this was meant for the first. Pillow itself stumbles over it.
        del work.shown.info["transparency"]
    elif work.stored.mode == "L" and bits in (2, 4):
        work.shown.info["transparency"] = (clear & top) * 255 // top
        work.is_normal = False
    elif work.stored.mode == "1":
        # Pillow asks for any bit of the level, and only the lowest counts.
        work.shown.info["transparency"] = 255 * ((png_chunks.find(work.data, b"tRNS") or b"\0\0")[1] & 1)
    elif work.stored.mode == "RGB" and bits == 16:
        opaque = _opaque_pixels(work, clear)
        work.shown = work.shown.copy()
        work.shown.putalpha(opaque)


def _opaque_pixels(work: Work, clear: tuple[int, ...]) -> Image.Image:
    """255 where a 16-bit RGB picture has any colour but the one that is ``clear``, else 0."""
    opaque = Image.new("L", work.stored.size)
    for picture, shift in ((work.stored, 8), (_low_bytes(work.data), 0)):
        for band, level in zip(picture.split(), clear, strict=True):
            byte = level >> shift & 255
            opaque = ImageChops.lighter(opaque, band.point([255 * (value != byte) for value in range(256)]))
    return opaque


def _low_bytes(data: bytes) -> Image.Image:
    """The lower bytes of 16-bit RGB samples; since Pillow keeps the upper ones only, it takes a second decode.

    Nothing may make that one begin anew, or it would yield the upper ones.
    """
    data = png_chunks.without_text_and_profiles(data)
    picture = opening.open_header(data, "PNG")
    picture.tile = [tile._replace(args="RGB;16L") for tile in picture.tile]
    return opening.load(picture, data, "PNG")
