"""Opens a picture with exactly the one decoder that its first bytes name, and says what is wrong when that fails."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from itertools import islice
from typing import Any, cast

import pillow_heif
from PIL import Image, ImageFile, JpegImagePlugin, WebPImagePlugin, features
from PIL.Image import DecompressionBombError

from libs.shared.boxes import boxes, find_top_level, has_too_many_boxes, lacks_parts, primary_item, without_exif
from libs.shared.errors import Rejection
from libs.shared.formats import Format
from services.decoder import jpeg_segments, png_chunks, webp_chunks
from services.decoder.png_file import PngFile

DECODER_ERRORS = (
    OSError,  # most of it, PIL.UnidentifiedImageError included
    SyntaxError,  # how Pillow's plugins say "not mine after all"
    ValueError,  # text chunk limits, libheif
    RuntimeError,  # libavif
    EOFError,  # animations without a frame
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    struct.error,
    zlib.error,
    DecompressionBombError,
)
"""What Pillow and its plugins are known to raise over bad files; a MemoryError is not the file's structure."""

MAX_CHUNKS = 100_000
"""Of a PNG or WebP: an animation of an hour, or fifty megabytes in pieces of half a kilobyte."""

_DECODED_ITEMS = {"HEIF": {b"hvc1", b"grid", b"iden", b"iovl"}, "AVIF": {b"av01", b"grid"}}


@lru_cache
def decoders(is_avif_built_in: bool) -> dict[Format, Callable[[Any], ImageFile.ImageFile]]:
    """The decoders, set up for untrusted files: one thread each, and nothing but the picture itself is decoded.

    Opening through this table, rather than ``Image.open``, leaves everything else that Pillow can open unreachable.
    pillow-avif-plugin is only imported where Pillow lacks AVIF, since it replaces Pillow's own.
    """
    warnings.simplefilter("ignore")
    avif = import_module("PIL.AvifImagePlugin" if is_avif_built_in else "pillow_avif.AvifImagePlugin")
    vars(avif)["DEFAULT_MAX_THREADS"] = 1
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    return {
        "JPEG": JpegImagePlugin.jpeg_factory,
        "PNG": PngFile,
        "WEBP": WebPImagePlugin.WebPImageFile,
        "HEIF": pillow_heif.HeifImageFile,
        "AVIF": avif.AvifImageFile,
    }


def open_header(data: bytes, format: Format) -> ImageFile.ImageFile:
    """Read a picture's header; its pixels stay undecoded.

    Raises:
        Rejection: the decoder makes nothing of it.
    """
    try:
        return _open(data, format)
    except DECODER_ERRORS as error:
        raise failure(data, format, error) from None


def load(image: ImageFile.ImageFile, data: bytes, format: Format) -> ImageFile.ImageFile:
    """Decode the whole first frame, the one proof that a file is sound.

    Raises:
        Rejection: it is not.
    """
    if format == "JPEG":
        # All at once: libjpeg can wait for more only where coding is not arithmetic.
        image.decodermaxblock = len(data)
    if format == "HEIF" and lacks_parts(data):
        raise _truncated()
    try:
        try:
            image.load()
        except ValueError:
            image = _opened_for_pixels(data, format)
            image.load()
    except DECODER_ERRORS as error:
        raise failure(data, format, error) from None
    return image


def failure(data: bytes, format: Format, error: BaseException) -> Rejection:
    """The rejection that a decoder's error amounts to.

    Judged by the file's structure; the driver's own words decide only where a limit was hit, and are never shown.
    """
    words = str(error).lower()
    if "security limit" in words:
        return Rejection("too-complex", f"the {format} file is more complex than any picture needs to be")
    if "out of memory" in words or "memory allocation" in words:
        return Rejection("decode-out-of-memory", "the picture takes too much memory to decode")
    if is_cut_off(data, format):
        return _truncated()
    if _is_uncommonly_coded(data, format):
        return Rejection("unsupported-codec", f"the {format} file is coded in a way that is not supported")
    return Rejection("corrupt-image", f"the {format} file is damaged")


def _truncated() -> Rejection:
    return Rejection("truncated-image", "the file ends in the middle of the picture")


def is_overlong(data: bytes, format: Format) -> bool:
    """Whether a file has so many parts that decoders take long to walk through them, however small the picture."""
    if format == "JPEG":
        return jpeg_segments.is_overlong(data)
    if format in ("HEIF", "AVIF"):
        return has_too_many_boxes(data)
    parts: Iterator[object] = png_chunks.places(data) if format == "PNG" else webp_chunks.chunks(data)
    try:
        return next(islice(parts, MAX_CHUNKS, None), None) is not None
    except ValueError:
        return False


def is_cut_off(data: bytes, format: Format) -> bool:
    """Whether the file ends before the place where its own structure says that it ends."""
    if format == "JPEG":
        return jpeg_segments.is_cut_off(data)
    if format == "PNG":
        return png_chunks.is_cut_off(data)
    if format == "WEBP":
        return webp_chunks.is_cut_off(data)
    try:
        for _ in boxes(data, 0, len(data)):
            pass
    except ValueError:
        return True
    return False


def _open(data: bytes, format: Format) -> ImageFile.ImageFile:
    if format == "PNG" and png_chunks.has_misleading_text(data):
        return _opened_for_pixels(data, format)
    try:
        return decoders(features.check("avif"))[format](io.BytesIO(data))
    except (ValueError, SyntaxError):
        return _opened_for_pixels(data, format)


def _opened_for_pixels(data: bytes, format: Format) -> ImageFile.ImageFile:
    """Open a file without the metadata that its decoder may have stumbled over.

    PNG limits its text and profiles and takes some text for more than that, AVIF wants sound EXIF; none of it is a
    reason to refuse a picture. Both kinds of PNG's may come after the pixels.
    """
    if format == "PNG":
        data = png_chunks.without_text_and_profiles(data)
    elif format == "AVIF":
        data = without_exif(data)
    return decoders(features.check("avif"))[format](io.BytesIO(data))


def _is_uncommonly_coded(data: bytes, format: Format) -> bool:
    if format == "JPEG":
        return jpeg_segments.is_uncommonly_coded(data)
    if format not in _DECODED_ITEMS:
        return False
    item = primary_item(data)
    if item is None:
        return format == "HEIF" and _is_mere_film(data)
    return item.kind not in _DECODED_ITEMS[cast(str, format)]


def _is_mere_film(data: bytes) -> bool:
    """Whether a file has a track but no still picture, which pillow-heif wants."""
    meta, moov = (find_top_level(data, kind, len(data)) for kind in (b"meta", b"moov"))
    return moov is not None and meta is None


# A confined child may not be able to read what it would import later (packages may be installed anywhere), and would
# take that for a damaged picture.
Image.preinit()
decoders(features.check("avif"))
