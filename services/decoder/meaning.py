"""What a file says that its numbers mean, of all the ways in which it may say so."""

from __future__ import annotations

from collections.abc import Iterator

from libs.shared.boxes import primary_item
from services.decoder import cicp, jpeg_segments, png_gamma, png_profile
from services.decoder.colour import Meaning
from services.decoder.work import Work


def meanings(work: Work) -> Iterator[Meaning]:
    """All that is said, the weightiest first; what makes no sense for the picture is to be passed over."""
    said = _said_in_png(work.data) if work.format == "PNG" else _said_elsewhere(work)
    return (meaning for meaning in said if meaning)


def _said_in_png(data: bytes) -> Iterator[Meaning | None]:
    """In the order of the PNG specification, third edition, 4.3."""
    yield cicp.meaning_of(cicp.code_points(data, "PNG"), "PNG")
    yield png_profile.profile(data)
    yield png_gamma.profile(data)


def _said_elsewhere(work: Work) -> Iterator[Meaning | None]:
    """A profile first, as in browsers; one that only the parts of a picture have is not known to all decoders."""
    yield jpeg_segments.profile(work.data) if work.format == "JPEG" else work.stored.info.get("icc_profile")
    item = primary_item(work.data) if work.format in ("HEIF", "AVIF") else None
    yield from (said[4:] for said in (item.values(b"colr") if item else ()) if said[:4] in (b"prof", b"rICC"))
    yield cicp.meaning_of(cicp.code_points(work.data, work.format), work.format)
