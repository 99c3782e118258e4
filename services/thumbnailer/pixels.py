"""Shrinks a picture to its thumbnail. Runs inside a decode child."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, WebPImagePlugin

from libs.shared.errors import Rejection
from libs.shared.imaging import Pixels
from libs.shared.spool import Spool

# A confined child may not be able to read what it would import later: packages may be installed anywhere.
Image.preinit()

_ENCODED_FORMATS = ("JPEG", "PNG", WebPImagePlugin.WebPImageFile.format)
"""What the decoder writes; nothing else is opened."""


@dataclass(frozen=True)
class Shrunk:
    """A thumbnail's size in pixels."""

    width: Pixels
    height: Pixels


def shrink_file(source: Spool, target: Spool, size: int, quality: int) -> Shrunk:
    """Read an encoded picture, or its preview, from one spool and write its WebP thumbnail to another.

    Raises:
        Rejection: ``corrupt-image``: the picture cannot be read.
    """
    try:
        small = shrink(source.read(), size)
    except (OSError, SyntaxError, ValueError, EOFError, AssertionError):
        raise Rejection("corrupt-image", "the encoded picture is damaged") from None
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=quality, method=2)
    target.replace(buffer.getvalue())
    return Shrunk(small.width, small.height)


def shrink(data: bytes, size: int) -> Image.Image:
    """The picture fitted into a square of ``size`` pixels, never enlarged, in mode RGB or RGBA and without metadata.

    A JPEG is decoded at the smallest scale, of 1/2, 1/4 and 1/8, that is at least twice as large.
    """
    # How large pictures may be is settled: by ``ALBUM_MAX_WIDTH`` and ``ALBUM_MAX_HEIGHT``, before they are encoded.
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(io.BytesIO(data), formats=_ENCODED_FORMATS) as image:
        is_clear = image.has_transparency_data
        is_plain = image.mode in ("L", "RGB", "RGBA") and "transparency" not in image.info
        shown: Image.Image = image if is_plain else image.convert("RGBA" if is_clear else "RGB")
        shown.thumbnail((size, size), Image.Resampling.LANCZOS, reducing_gap=1.5)
        bare = shown.convert("RGBA" if is_clear else "RGB")
    bare.info = {}
    return bare
