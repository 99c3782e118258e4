"""Pictures whose size matters and whose content does not, drawn once."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image

from tests.support.pictures import encoded


@lru_cache(maxsize=64)
def plain(format: str, width: int, height: int) -> bytes:
    """A file of one colour."""
    return encoded(Image.new("RGB", (width, height), (90, 120, 150)), format)
