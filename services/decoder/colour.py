"""Brings any pixels into 8-bit gray or RGB in sRGB, with or without alpha, by littleCMS where there is a profile."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageChops, ImageCms

_NEAR = 2
"""Levels of 255 by which a profile's colours may differ from sRGB and still be called sRGB: nobody sees them."""

_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}


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


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A flattened picture in sRGB: ``image`` itself where it is sRGB already.

    A profile that is broken, or made for other pixels, is ignored, as in browsers.
    """
    base = {"LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode)
    transform = _transform(profile, base) if profile else None
    if transform is None:
        return image.convert("RGB") if base == "CMYK" else image
    if _is_identity(transform, base):
        return image
    alpha = image.getchannel("A") if image.mode != base else None
    shown = _applied(transform, image.convert(base) if alpha else image)
    if base == "L":
        shown = shown.convert("L")
    if alpha:
        shown.putalpha(alpha)
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


@lru_cache(maxsize=16)
def _transform(profile: bytes, base: str) -> ImageCms.ImageCmsTransform | None:
    """From an embedded profile to sRGB, with the perceptual intent that browsers use; None where it does not apply."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space != _SPACES[base]:
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), base, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _applied(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    shown = ImageCms.applyTransform(image, transform)
    assert shown is not None  # it is None only for a transform in place
    return shown


@lru_cache(maxsize=16)
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
