"""The picture policy, as one list of small steps over one picture. Runs inside a decode child."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from PIL import Image
from pydantic import Field

from libs.shared.boxes import primary_item
from libs.shared.errors import Rejection
from libs.shared.formats import Format, sniff
from libs.shared.imaging import MAX_HEAD_BYTES, Pixels, probe
from libs.shared.spool import Spool
from services.decoder import apng, colour, jpeg_segments, opening, png_chunks
from services.decoder.clear_colour import make_clear
from services.decoder.meaning import meanings
from services.decoder.output import add_preview, encode_what_is_not, keep_what_is_normal
from services.decoder.palette import notice_missing_colours
from services.decoder.placeholder import thumbhash
from services.decoder.png_file import PngFile
from services.decoder.settings import DecoderSettings
from services.decoder.upright import crop, turn_upright
from services.decoder.work import Work


@dataclass(frozen=True)
class Decoded:
    """What became of an upload. ``format`` is its own, ``encoded_as`` that of the encoded picture.

    A child that was taken over may say anything, so what is stored and sent with every list of images is bounded here.
    """

    format: Format
    encoded_as: Format
    width: Pixels
    height: Pixels
    is_animated: bool
    placeholder: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/=]{1,64}\z")]
    preview_as: Format | None


def decode_file(source: Spool, encoded: Spool, preview: Spool, settings: DecoderSettings) -> Decoded:
    """Read an upload from one spool and write its encoded picture, and a preview if it is worth one, to two others.

    Raises:
        Rejection: the picture is not one that can be shown.
    """
    work = process(source.read(), settings)
    encoded.replace(work.encoded)
    preview.replace(work.preview)
    return Decoded(
        format=work.format,
        encoded_as=work.encoded_as,
        width=work.shown.width,
        height=work.shown.height,
        is_animated=work.is_animated,
        placeholder=work.placeholder,
        preview_as=work.preview_as,
    )


def process(data: bytes, settings: DecoderSettings) -> Work:
    """Take the bytes of an upload through all steps."""
    work = Work(data, settings)
    for step in PIPELINE:
        step(work)
    return work


def recognise(work: Work) -> None:
    """Tell the format by content; names and declared types are not even known here."""
    sniffed = sniff(work.data)
    if sniffed.format is None:
        raise Rejection("unsupported-format", "the file is not a JPEG, PNG, WebP, HEIF or AVIF picture")
    work.format = sniffed.format


def check_proven_size(work: Work) -> None:
    """Refuse by the first bytes what the API would have refused by them, before any decoder sees the file."""
    header = probe(work.data[:MAX_HEAD_BYTES])
    if header.width is not None and header.height is not None:
        _check_size(work, header.width, header.height)


def check_structure(work: Work) -> None:
    """Refuse what no program writes and decoders would take minutes to walk through, before any sees the file."""
    if opening.is_overlong(work.data, work.format):
        raise Rejection("too-complex", f"the {work.format} file has far more parts than any picture needs")


def choose_frame(work: Work) -> None:
    """Go on with what a PNG's animation begins with, where that is not the still picture of the file."""
    frame = apng.first_frame(work.data) if work.format == "PNG" else None
    if frame is not None:
        work.data, work.is_animated = frame, True


def open_header(work: Work) -> None:
    work.stored = opening.open_header(work.data, work.format)


def check_limits(work: Work) -> None:
    """Judge size and cost by what the decoder makes of the header, before anything is decoded."""
    _check_size(work, *work.stored.size)
    item = primary_item(work.data) if work.format in ("HEIF", "AVIF") else None
    if item and item.largest_area > work.settings.max_coded_pixels:
        raise Rejection("too-complex", "the file wants far more pixels decoded than it shows")
    if work.format == "JPEG" and jpeg_segments.has_more_scans(work.data, work.settings.max_scans):
        raise Rejection("too-complex", "the file wants its picture decoded too many times")


def _check_size(work: Work, width: int, height: int) -> None:
    limits = work.settings.limits
    if not limits.allows(width, height):
        raise Rejection("dimensions-too-large", **limits.excess(width, height))


def decode_pixels(work: Work) -> None:
    work.stored = opening.load(work.stored, work.data, work.format)
    work.shown = work.stored
    work.is_normal &= not (isinstance(work.stored, PngFile) and work.stored.has_more_than_pixels)


def notice_animation(work: Work) -> None:
    """Only the first frame goes on; several pictures in one HEIF or JPEG file are no animation."""
    if work.format in ("PNG", "WEBP", "AVIF"):
        work.is_animated |= getattr(work.stored, "n_frames", 1) > 1
    elif work.format == "HEIF":
        work.is_animated = work.data[8:12] in (b"hevc", b"hevx", b"hevm", b"hevs", b"msf1")
    work.is_normal &= not work.is_animated


_PNG_GRAY_WITH_ALPHA = 4


def flatten(work: Work) -> None:
    """Give every picture 8 bits a channel and, if it has transparency of any kind, an alpha channel."""
    bits, colour_type = png_chunks.samples(work.data) if work.format == "PNG" else (8, None)
    work.is_normal &= work.shown.mode != "CMYK" and bits <= 8
    if colour_type == _PNG_GRAY_WITH_ALPHA and work.shown.mode == "RGBA":
        # What Pillow makes of 16 bits; a profile for gray would not fit it.
        work.shown = Image.merge("LA", (work.shown.getchannel("R"), work.shown.getchannel("A")))
    work.shown = colour.flatten(work.shown)


def convert_to_srgb(work: Work) -> None:
    before = work.shown
    work.shown = colour.to_srgb(before, meanings(work))
    work.is_normal &= work.shown is before


def hash_placeholder(work: Work) -> None:
    work.placeholder = thumbhash(work.shown)


PIPELINE = (
    recognise,
    check_proven_size,
    check_structure,
    choose_frame,
    open_header,
    check_limits,
    decode_pixels,
    make_clear,
    notice_missing_colours,
    notice_animation,
    crop,
    turn_upright,
    flatten,
    convert_to_srgb,
    keep_what_is_normal,
    encode_what_is_not,
    hash_placeholder,
    add_preview,
)
"""What happens to a picture, in this order. Every step returns early when it has nothing to do."""
