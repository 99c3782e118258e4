"""Brings any pixels into 8-bit gray or RGB in sRGB, with or without alpha, by littleCMS where there is a profile."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageChops, ImageCms, ImageFilter

Meaning = bytes | ImageFilter.Color3DLUT
"""What numbers mean: an ICC profile, or a table from RGB to sRGB."""

_NEAR = 2
"""Levels of 255 by which a profile's colours may differ from sRGB, or gray from neutral: nobody sees them."""

_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Of pixels that a profile for a space is made for."""

_MAX_REMEMBERED_BYTES = 64 << 10
"""Of a profile: those of cameras and screens are shorter, and what hostile files hold must not outlive them."""


def flatten(image: Image.Image) -> Image.Image:
    """The same pixels in mode L, LA, RGB, RGBA or CMYK: no palette, no transparent colour, no more than 8 bits."""
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        return _from_16_bits(image)
    if image.mode in ("La", "RGBa"):
        return image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    if "transparency" in image.info and image.mode in ("1", "L", "P", "RGB"):
        return image.convert("LA" if image.mode in ("1", "L") else "RGBA")
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.mode == "PA" else "RGB")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") else image.convert("RGB")


def to_srgb(image: Image.Image, meanings: Iterable[Meaning]) -> Image.Image:
    """A flattened picture in sRGB: ``image`` itself where it is sRGB already.

    The first of ``meanings`` that makes sense counts. A profile that is broken, or made for other pixels, does not.
    """
    base = {"LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode)
    shown = next((shown for meaning in meanings if (shown := _shown(image, base, meaning))), None)
    if shown is None:
        return image.convert("RGB") if base == "CMYK" else image
    if base != image.mode and shown is not image:
        shown.putalpha(image.getchannel("A"))
    return shown


def without_idle_alpha(image: Image.Image) -> Image.Image:
    """The same picture without its alpha channel, if that says that everything is opaque."""
    if image.mode not in ("LA", "RGBA") or image.getchannel("A").getextrema() != (255, 255):
        return image
    return image.convert(image.mode[:-1])


def _from_16_bits(image: Image.Image) -> Image.Image:
    deep = image.convert("I")
    gray = deep.point([level // 257 if level % 257 < 129 else level // 257 + 1 for level in range(65_536)], "L")
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        gray.putalpha(deep.point([0 if level == clear else 255 for level in range(65_536)], "L"))
    return gray


def _shown(image: Image.Image, base: str, meaning: Meaning) -> Image.Image | None:
    """A picture in sRGB but for its alpha channel: ``image`` itself if it is so already, None if it makes no sense."""
    if isinstance(meaning, ImageFilter.Color3DLUT):
        return image.convert("RGB").filter(meaning)
    way = (_remembered_way if len(meaning) <= _MAX_REMEMBERED_BYTES else _way)(meaning, base)
    if way is None:
        return None
    transform, is_identity = way
    if is_identity:
        return image
    if base == "L":
        ramp = _applied(transform, Image.frombytes("L", (256, 1), bytes(range(256))))
        if _is_neutral(ramp):
            return image.getchannel(0).point(list(ramp.getchannel("G").tobytes()))
    return _applied(transform, image)


class _Way(NamedTuple):
    """How pixels get to sRGB, and whether they are there already."""

    transform: ImageCms.ImageCmsTransform
    is_identity: bool


def _way(profile: bytes, base: str) -> _Way | None:
    transform = _transform(profile, base)
    return None if transform is None else _Way(transform, _is_identity(transform, base))


_remembered_way = lru_cache(maxsize=16)(_way)


def _transform(profile: bytes, base: str) -> ImageCms.ImageCmsTransform | None:
    """From an embedded profile to sRGB, with the perceptual intent that browsers use; None where it does not apply.

    Gray may have a profile for RGB, as from cameras set to black and white.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES.get(source.profile.xcolor_space)
        if mode is None or (mode != base and (base, mode) != ("L", "RGB")):
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _applied(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    fitting = image if image.mode == transform.input_mode else image.convert(transform.input_mode)
    shown = ImageCms.applyTransform(fitting, transform)
    assert shown is not None  # it is None only for a transform in place
    return shown


def _is_identity(transform: ImageCms.ImageCmsTransform, base: str) -> bool:
    if base == "CMYK":
        return False
    levels = range(0, 256, 15)
    samples = bytes(level for level in levels for _ in range(3)) if base == "RGB" else bytes(levels)
    if base == "RGB":
        samples += bytes(level for red in levels for green in levels for blue in levels for level in (red, green, blue))
    chart = Image.frombytes(base, (len(samples) // len(base), 1), samples)
    differences = ImageChops.difference(_applied(transform, chart), chart.convert("RGB"))
    return max(differences.tobytes()) <= _NEAR


def _is_neutral(image: Image.Image) -> bool:
    red, green, blue = image.split()
    differences = [ImageChops.difference(green, other).tobytes() for other in (red, blue)]
    return max(map(max, differences)) <= _NEAR
