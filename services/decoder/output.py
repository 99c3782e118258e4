"""The last steps: the encoded picture, copied where nothing had to change, else written anew, and its preview."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, JpegImagePlugin

from libs.shared.formats import Format
from services.decoder import colour, jpeg_segments, png_chunks, webp_chunks
from services.decoder.work import Work


def keep_what_is_normal(work: Work) -> None:
    """Keep the file's own compressed pixels where nothing about them had to change: no generation is lost."""
    if not work.is_normal:
        return
    stripped = None
    if work.format == "JPEG":
        stripped = jpeg_segments.strip(work.data)
    elif work.format == "PNG":
        stripped = png_chunks.strip(work.data)
    elif work.format == "WEBP":
        stripped = webp_chunks.strip(work.data)
    work.encoded, work.encoded_as = stripped or b"", work.format


def encode_what_is_not(work: Work) -> None:
    """PNG stays PNG; else opaque pictures become JPEG and those with alpha WebP."""
    if work.encoded:
        return
    quality = work.settings.quality
    picture = colour.without_idle_alpha(work.shown)
    if work.format == "PNG":
        work.encoded_as = "PNG"
        work.encoded = _written(work.shown, "PNG", compress_level=4)
    elif picture.mode in ("LA", "RGBA"):
        work.encoded_as = "WEBP"
        work.encoded = _written(picture, "WEBP", quality=quality, alpha_quality=100, method=2)
    else:
        work.encoded_as = "JPEG"
        work.encoded = _written(picture, "JPEG", quality=quality, subsampling=_sampling(work))


def _sampling(work: Work) -> int:
    """Chroma as fine as it was: a JPEG's own sampling, for all else 4:4:4, since a second halving would show."""
    return max(0, JpegImagePlugin.get_sampling(work.stored)) if work.format == "JPEG" else 0


def add_preview(work: Work) -> None:
    """Save the thumbnailer a full decode, where it would have to do one: a JPEG is cheap to decode small."""
    side = work.settings.preview_side
    if work.encoded_as == "JPEG" or max(work.shown.size) < 1.5 * side or not side:
        return
    small = colour.without_idle_alpha(work.shown).copy()
    small.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=1.0)
    if small.mode in ("LA", "RGBA"):
        work.preview_as = "WEBP"
        work.preview = _written(small, "WEBP", quality=95, alpha_quality=100, method=0)
    else:
        work.preview_as = "JPEG"
        work.preview = _written(small, "JPEG", quality=95)


def _written(image: Image.Image, format: Format, **options: Any) -> bytes:
    # Writers copy comments and profiles from `info` unasked.
    bare = image.copy()
    bare.info = {}
    buffer = io.BytesIO()
    bare.save(buffer, format, **options)
    return buffer.getvalue()
