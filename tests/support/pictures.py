"""Draws the pictures that tests upload: any format, size, mode and orientation, the same bytes every time."""

from __future__ import annotations

import io
from typing import Any

import pillow_heif
from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF")
"""Every format that Album takes, under Pillow's name."""

EXTENSIONS = {
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
    "heif": "HEIF",
    "heic": "HEIF",
    "avif": "AVIF",
}
"""The seven file name extensions and the formats they stand for."""

ORIENTATION = 0x0112
CORNERS = {
    "top left": (220, 30, 30),
    "top right": (30, 180, 60),
    "bottom left": (40, 70, 220),
    "bottom right": (240, 220, 60),
}
"""The colour of each corner of an upright scene."""

_UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def scene(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """An upright scene: soft gradients, and each corner in its own colour."""
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    down = Image.linear_gradient("L").resize((width, height))
    image = Image.merge("RGB", (across, down, Image.new("L", (width, height), 128)))
    block = (max(1, width // 4), max(1, height // 4))
    right, bottom = width - block[0], height - block[1]
    places = ((0, 0), (right, 0), (0, bottom), (right, bottom))
    for colour, (left, top) in zip(CORNERS.values(), places, strict=True):
        image.paste(colour, (left, top, left + block[0], top + block[1]))
    if mode in {"RGBA", "LA"}:
        image.putalpha(down.point(lambda level: max(1, level)))
    return image.convert(mode)


def stored(upright: Image.Image, orientation: int | None) -> Image.Image:
    """How a camera stores ``upright`` when it writes the EXIF ``orientation`` (1 to 8) beside it."""
    undo = _UNDO.get(orientation or 1)
    return upright if undo is None else upright.transpose(undo)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    """``image`` in one of the formats or under one of the seven extensions; ``options`` are those of its writer."""
    name = EXTENSIONS.get(format.lower(), format.upper())
    if name == "HEIF":
        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    fast = {"HEIF": {"quality": 80}, "AVIF": {"quality": 80, "speed": 10}, "WEBP": {"method": 0}}
    buffer = io.BytesIO()
    image.save(buffer, name, **(fast.get(name, {}) | options))
    return buffer.getvalue()


def picture(
    format: str,
    width: int = 64,
    height: int = 48,
    *,
    mode: str = "RGB",
    orientation: int | None = None,
    frames: int = 1,
    **options: Any,
) -> bytes:
    """A file that holds the scene.

    Args:
        format: a name of `FORMATS` or an extension, in any case.
        width: pixels across as stored, so before any turning; HEIF alone reports its size turned.
        height: pixels down as stored.
        mode: Pillow mode of the pixels, such as RGB, RGBA, L, LA, P or CMYK where the format has it.
        orientation: 1 to 8: stored so that turning by this EXIF orientation shows the upright scene. JPEG, PNG and
            WebP carry it in EXIF, HEIF and AVIF in their own transforms.
        frames: more than one for an animation (PNG, WebP, AVIF).
        options: passed to the writer, such as ``quality``, ``icc_profile``, ``exif`` or ``progressive``.
    """
    turned = orientation is not None and orientation >= 5
    upright = scene(height, width, mode) if turned else scene(width, height, mode)
    image = stored(upright, orientation)
    if orientation is not None:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        options.setdefault("exif", exif.tobytes())
    if frames > 1:
        later = [image.point(lambda level, shade=shade: level // shade) for shade in range(2, frames + 1)]
        options.update(save_all=True, append_images=later, duration=100)
    return encoded(image, format, **options)
