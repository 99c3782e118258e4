"""Draws the photograph that benchmarks upload: noise of all scales and a sensor's grain, so that it codes like one."""

from __future__ import annotations

from PIL import Image, ImageChops, ImageFilter

from tests.support.pictures import encoded

WIDTH, HEIGHT = 1920, 1080
SCALES = 7
"""Each half as coarse as the one before, the first a few pixels for the whole picture."""
FALLOFF = 1.75
"""How much weaker each finer scale is: about the 1/f spectrum of natural scenes."""
GRAIN = 5
CHROMA_BLUR = 6
QUALITIES = {"JPEG": 85, "WEBP": 80, "AVIF": 60, "HEIF": 60}
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF")


def photograph(format: str, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A file of a drawn photograph in one of `FORMATS`."""
    light, *colours = (_clouds(width, height) for _ in range(3))
    soft = [colour.filter(ImageFilter.GaussianBlur(CHROMA_BLUR)) for colour in colours]
    picture = Image.merge("YCbCr", (light, *soft)).convert("RGB")
    grainy = Image.merge("RGB", [_plus(band, Image.effect_noise(band.size, GRAIN)) for band in picture.split()])
    options = {"quality": QUALITIES[format]} if format in QUALITIES else {}
    return encoded(grainy, format, **options)


def _clouds(width: int, height: int) -> Image.Image:
    sky = Image.new("L", (width, height), 128)
    for scale in range(SCALES):
        shrink = 2 ** (SCALES + 1 - scale)
        size = (max(2, width // shrink), max(2, height // shrink))
        spots = Image.effect_noise(size, 128 / FALLOFF**scale)
        sky = _plus(sky, spots.resize((width, height), Image.Resampling.BICUBIC))
    return sky


def _plus(band: Image.Image, noise: Image.Image) -> Image.Image:
    return ImageChops.add(band, noise, offset=-128)
