"""Colour by code points: what the numbers of ITU-T H.273 in a HEIF, AVIF or PNG file mean.

HDR (PQ and HLG) becomes SDR by a fixed curve: diffuse white at 203 cd/m2 (ITU-R BT.2408), highlights up to 1,000 cd/m2
rolled off by extended Reinhard on the brightest channel, so that hues stay. A good rendering would need the mastering
data and more than the 8 bits that the decoders hand out; this is a sane one.
"""

from __future__ import annotations

from functools import lru_cache

from PIL import ImageFilter

from libs.shared.boxes import coded_head, primary_item
from libs.shared.formats import Format
from services.decoder import av1_header, png_chunks
from services.decoder.colour import Meaning
from services.decoder.matrix_profile import BT709, SRGB_CURVE, Curve, Primaries, matrix_profile

CodePoints = tuple[int, int]
"""Colour primaries and transfer characteristics."""

Light = tuple[float, float, float]
Matrix = tuple[Light, Light, Light]

_D65 = (0.3127, 0.3290)
_BT601 = Primaries(_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
_P3 = Primaries(_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_PRIMARIES = {
    1: BT709,
    4: Primaries((0.310, 0.316), (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: Primaries(_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: _BT601,
    7: _BT601,
    8: Primaries((0.310, 0.316), (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: Primaries(_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: _P3._replace(white=(0.314, 0.351)),
    12: _P3,
    22: Primaries(_D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
"""Table 2."""

_BT1886_GAMMA = 2.4
"""Of the screens that pictures for television are made on."""
_SMPTE240_CURVE: Curve = (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0912)
_CURVES: dict[int, float | Curve] = {4: 2.2, 5: 2.8, 7: _SMPTE240_CURVE, 8: 1.0, 13: SRGB_CURVE}
"""Table 3."""
_TELEVISION = {1, 6, 11, 14, 15}
"""In a PNG they are shown as by ITU-R BT.1886, as in browsers. In HEIF and AVIF their curve counts as that of sRGB, as
browsers take it in video and AVIF; cameras mean it so."""
_PQ, _HLG = 16, 18
_TRANSFERS = {*_TELEVISION, *_CURVES, _PQ, _HLG}
_WHITE, _PEAK = 203.0, 1000.0
_STEPS = 33

_SRGB: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_FROM_BT2020 = ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))
"""ITU-R BT.2407, annex 2."""
_FROM_P3 = ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979))
"""SMPTE EG 432-1 with a D65 white."""
_MATRICES = {9: _FROM_BT2020, 12: _FROM_P3}


def code_points(data: bytes, format: Format) -> CodePoints | None:
    """What a file says of its colours by code points, where it does.

    Of an AVIF whose boxes say nothing, the coded picture itself does, as in browsers (AV1 bitstream, 5.5.2).
    In a PNG only what makes sense counts, as in browsers: both known, no matrix, full range (third edition, 11.3.2.6).
    """
    if format == "PNG":
        chunk = png_chunks.find(data, b"cICP") or b""
        is_usable = chunk[2:] == b"\0\1" and chunk[0] in _PRIMARIES and chunk[1] in _TRANSFERS
        return (chunk[0], chunk[1]) if is_usable else None
    item = primary_item(data) if format in ("HEIF", "AVIF") else None
    for content in item.values(b"colr") if item else ():
        if content[:4] == b"nclx" and len(content) >= 10:
            return int.from_bytes(content[4:6], "big"), int.from_bytes(content[6:8], "big")
    return av1_header.code_points(coded_head(data)) if format == "AVIF" else None


@lru_cache(maxsize=8)
def meaning_of(points: CodePoints | None, format: Format) -> Meaning | None:
    """A profile, or for HDR a table to sRGB; what is unknown of the code points counts as sRGB's."""
    if points is None:
        return None
    primaries, transfer = points
    if transfer in (_PQ, _HLG):
        return _table_to_srgb(primaries, transfer)
    is_literal = format == "PNG" and transfer in _TELEVISION
    curve = _BT1886_GAMMA if is_literal else _CURVES.get(transfer, SRGB_CURVE)
    return matrix_profile(_PRIMARIES.get(primaries, BT709), curve)


def _table_to_srgb(primaries: int, transfer: int) -> ImageFilter.Color3DLUT:
    matrix = _MATRICES.get(primaries, _SRGB)
    lights = [_light(level / (_STEPS - 1), transfer) for level in range(_STEPS)]
    # In the order of `Color3DLUT`: red changes first.
    cube = [(red, green, blue) for blue in lights for green in lights for red in lights]
    return ImageFilter.Color3DLUT(_STEPS, [signal for light in cube for signal in _shown(light, transfer, matrix)])


def _shown(light: Light, transfer: int, matrix: Matrix) -> Light:
    """The sRGB signal for the light of the three channels as stored."""
    if transfer == _HLG:
        # The display makes bright scenes brighter: ITU-R BT.2100 table 5, for a peak of 1,000 cd/m2.
        gain = _PEAK / _WHITE * (0.2627 * light[0] + 0.6780 * light[1] + 0.0593 * light[2]) ** 0.2
        light = (gain * light[0], gain * light[1], gain * light[2])
    red, green, blue = light
    mixed = [max(0.0, row[0] * red + row[1] * green + row[2] * blue) for row in matrix]
    scale = _rolled_off(max(mixed))
    return (_srgb_signal(mixed[0] * scale), _srgb_signal(mixed[1] * scale), _srgb_signal(mixed[2] * scale))


def _light(signal: float, transfer: int) -> float:
    """What one channel's signal stands for: display light, 1.0 being diffuse white; for HLG light of the scene."""
    return _pq_light(signal) / _WHITE if transfer == _PQ else _hlg_scene(signal)


def _pq_light(signal: float) -> float:
    """In cd/m2: SMPTE ST 2084, ITU-R BT.2100 table 4."""
    power = signal ** (1 / 78.84375)
    ratio = max(power - 0.8359375, 0.0) / (18.8515625 - 18.6875 * power)
    return float(10_000 * ratio ** (1 / 0.1593017578125))


def _hlg_scene(signal: float) -> float:
    """ITU-R BT.2100 table 5."""
    if signal <= 0.5:
        return signal * signal / 3
    return float((2.718281828459045 ** ((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12)


def _rolled_off(brightest: float) -> float:
    """By how much to scale a colour whose brightest channel is this."""
    white = _PEAK / _WHITE
    return (1 + brightest / (white * white)) / (1 + brightest)


def _srgb_signal(light: float) -> float:
    return light * 12.92 if light <= 0.0031308 else min(1.0, float(1.055 * light ** (1 / 2.4) - 0.055))
