"""The steps that bring a picture into the place in which it shall be seen: cropped and turned, each once."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any, cast

from PIL import ExifTags, Image

from libs.shared.boxes import clean_aperture, find_top_level, primary_item
from services.decoder.opening import DECODER_ERRORS
from services.decoder.work import Work

Box = tuple[int, int, int, int]
"""Left, top, right and bottom."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def crop(work: Work) -> None:
    """Show only the clean aperture of an AVIF: libheif crops what it decodes, libavif leaves that to others.

    It comes before any turning (ISO/IEC 23000-22, 7.3.6.7). An aperture that reaches outside the picture is ignored.
    """
    if work.format != "AVIF" or _is_film(work.data):
        return
    item = primary_item(work.data)
    for clap in item.values(b"clap")[:1] if item else ():
        box = _whole(clap, work.shown.size)
        if box is not None:
            work.shown = work.shown.crop(box)


def _is_film(data: bytes) -> bool:
    """Whether libavif decodes a track, if there is one, rather than the primary item."""
    brand = data[8:12]
    return brand == b"avis" or (brand != b"avif" and find_top_level(data, b"moov", len(data)) is not None)


def _whole(clap: bytes, size: tuple[int, int]) -> Box | None:
    """The aperture in whole pixels, rounded as libheif does it; None where the picture has no such part."""
    try:
        left, top, width, height = clean_aperture(clap, size)
    except ValueError:
        return None
    across, down = _inside(left, width, size[0]), _inside(top, height, size[1])
    return (across[0], down[0], across[1], down[1]) if across and down else None


def _inside(first: Fraction, length: Fraction, whole: int) -> tuple[int, int] | None:
    begin = int(first)
    end = begin + floor(length + Fraction(1, 2))
    return (begin, end) if 0 <= begin < end <= whole else None


def turn_upright(work: Work) -> None:
    """Apply the orientation once: EXIF tag 274, or in HEIF and AVIF the file's own transforms instead.

    Those two are normative there and EXIF is not (ISO/IEC 23008-12, 6.5.10 and A.2.1). libheif has applied them
    already; the AVIF plugins hand them over as if they were EXIF.
    """
    turn = _TURNS.get(_orientation(work))
    if turn is not None:
        work.shown = work.shown.transpose(turn)
        work.is_normal = False


def _orientation(work: Work) -> Any:
    if work.format == "HEIF":
        return 1
    exif = Image.Exif()
    try:
        exif.load(_exif_block(work.stored))
        return exif.get(ExifTags.Base.Orientation, 1)
    except DECODER_ERRORS:
        return 1  # Broken EXIF says nothing.


def _exif_block(image: Image.Image) -> bytes:
    """EXIF as the file has it; Pillow's ``getexif`` fills in from XMP, which browsers do not ask for orientation.

    Before PNG had a chunk for it, ImageMagick wrote it as text: three lines of heading, then hexadecimal digits.
    """
    block = image.info.get("exif")
    if block is None:
        lines = image.info.get("Raw profile type exif", "").split("\n")
        block = bytes.fromhex("".join(lines[3:]))
    return cast(bytes, block)
