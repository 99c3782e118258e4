"""How different two colours look: CIEDE2000, after Sharma, Wu and Dalal (2005), equations 2 to 22."""

from __future__ import annotations

from math import atan2, cos, degrees, exp, hypot, radians, sin, sqrt

from PIL import Image

Lab = tuple[float, float, float]


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    """The mean CIEDE2000 of all pixels of two sRGB pictures of the same size."""
    assert one.size == other.size
    pairs = zip(_pixels(one), _pixels(other), strict=True)
    differences = [delta(lab(first), lab(second)) for first, second in pairs]
    return sum(differences) / len(differences)


def lab(rgb: tuple[int, int, int]) -> Lab:
    """CIELAB (D65) of an sRGB colour of 8 bits a channel."""
    red, green, blue = (_light(value / 255) for value in rgb)
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883
    return 116 * _root(y) - 16, 500 * (_root(x) - _root(y)), 200 * (_root(y) - _root(z))


def delta(one: Lab, other: Lab) -> float:
    """CIEDE2000 with all weights 1."""
    mean_chroma = (hypot(*one[1:]) + hypot(*other[1:])) / 2
    stretch = 1 + 0.5 * (1 - _chroma_share(mean_chroma))
    (l1, c1, h1), (l2, c2, h2) = (_lch(colour, stretch) for colour in (one, other))
    turn = 0.0 if not c1 * c2 else (h2 - h1 + 180) % 360 - 180
    light, chroma, hue = l2 - l1, c2 - c1, 2 * sqrt(c1 * c2) * sin(radians(turn / 2))
    l_mean, c_mean = (l1 + l2) / 2, (c1 + c2) / 2
    h_mean = (h1 + turn / 2) % 360 if c1 * c2 else h1 + h2
    t = (
        1
        - 0.17 * cos(radians(h_mean - 30))
        + 0.24 * cos(radians(2 * h_mean))
        + 0.32 * cos(radians(3 * h_mean + 6))
        - 0.20 * cos(radians(4 * h_mean - 63))
    )
    s_l = 1 + 0.015 * (l_mean - 50) ** 2 / sqrt(20 + (l_mean - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_mean, 1 + 0.015 * c_mean * t
    bend = -sin(radians(60 * exp(-(((h_mean - 275) / 25) ** 2)))) * 2 * _chroma_share(c_mean)
    parts = light / s_l, chroma / s_c, hue / s_h
    return sqrt(sum(part**2 for part in parts) + bend * parts[1] * parts[2])


def _lch(colour: Lab, stretch: float) -> tuple[float, float, float]:
    a = colour[1] * stretch
    return colour[0], hypot(a, colour[2]), degrees(atan2(colour[2], a)) % 360


def _chroma_share(chroma: float) -> float:
    return sqrt(chroma**7 / (chroma**7 + 25.0**7))


def _pixels(image: Image.Image) -> list[tuple[int, int, int]]:
    data = image.convert("RGB").tobytes()
    return [(data[i], data[i + 1], data[i + 2]) for i in range(0, len(data), 3)]


def _light(signal: float) -> float:
    return signal / 12.92 if signal <= 0.04045 else float(((signal + 0.055) / 1.055) ** 2.4)


def _root(share: float) -> float:
    return float(share ** (1 / 3)) if share > 216 / 24389 else share * 24389 / 27 / 116 + 16 / 116
