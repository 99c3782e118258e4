"""A picture on its way through the steps."""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image
from PIL.ImageFile import ImageFile

from libs.shared.formats import Format
from services.decoder.settings import DecoderSettings


@dataclass
class Work:
    """What is known of a picture so far; every step adds to it.

    Attributes:
        stored: the picture as its file stores it.
        shown: what everybody shall see: upright, flat, sRGB.
        is_normal: nothing about the pixels had to change so far, so the file's own may be kept.
    """

    data: bytes
    settings: DecoderSettings
    format: Format = "JPEG"
    stored: ImageFile = field(init=False)
    shown: Image.Image = field(init=False)
    is_animated: bool = False
    is_normal: bool = True
    encoded: bytes = b""
    encoded_as: Format = "JPEG"
    placeholder: str = ""
    preview: bytes = b""
    preview_as: Format | None = None
