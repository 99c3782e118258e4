"""Colours come out as they were meant: within 2 of CIEDE2000 on average, whatever space a file keeps them in."""

from __future__ import annotations

import gc
import io
import sys
import zlib
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageFilter

from libs.shared.boxes import coded_head
from services.decoder import av1_header
from services.decoder.cicp import meaning_of
from services.decoder.colour import to_srgb
from services.decoder.png_chunks import SIGNATURE, chunk
from tests.support.boxes import as_tile, with_code_points, with_code_points_in_av1_alone
from tests.support.ciede2000 import delta, mean_difference
from tests.support.decoding import opened, processed
from tests.support.pictures import encoded, scene
from tests.support.png import GRAY_ALPHA, png
from tests.support.png import profile as profile_chunk
from tests.support.profiles import ADOBE_RGB, DISPLAY_P3, PROPHOTO, cmyk_profile, gray_profile, rgb_profile

SPACES = {
    "Display P3": rgb_profile(DISPLAY_P3, None),
    "Adobe RGB": rgb_profile(ADOBE_RGB, 2.19921875),
    "ProPhoto": rgb_profile(PROPHOTO, 1.8),
    "sRGB": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
}
MOST = 2.0
GENTLE: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 98, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True},
    "HEIF": {"quality": 98, "chroma": 444},
    "AVIF": {"quality": 98, "subsampling": "4:4:4"},
}
"""Options with which a writer changes next to nothing itself."""


def chart() -> Image.Image:
    """All hues at several lightnesses, in sRGB."""
    levels = (20, 77, 128, 179, 235)
    colours = bytes(value for r in levels for g in levels for b in levels for value in (r, g, b))
    return Image.frombytes("RGB", (25, 5), colours).resize((100, 20), Image.Resampling.NEAREST)


def moved_into(profile: bytes, image: Image.Image, mode: str) -> Image.Image:
    """An sRGB picture in the space of ``profile``, by littleCMS, and with no mark of it."""
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), target, image.mode, mode)
    moved = ImageCms.applyTransform(image, transform)
    assert moved is not None
    moved.info = {}
    return moved


def moved_to_srgb(profile: bytes, image: Image.Image) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    moved = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert moved is not None
    return moved


def test_the_yardstick_gives_published_values() -> None:
    """Pairs 1, 7, 10 and 25 of Sharma, Wu and Dalal's table 1."""
    assert delta((50, 2.6772, -79.7751), (50, 0, -82.7485)) == pytest.approx(2.0425, abs=1e-4)
    assert delta((50, 0, 0), (50, -1, 2)) == pytest.approx(2.3669, abs=1e-4)
    assert delta((50, 2.4900, -0.0010), (50, -2.4900, 0.0011)) == pytest.approx(7.2195, abs=1e-4)
    assert delta((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387)) == pytest.approx(1.2644, abs=1e-4)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
def test_a_profile_is_obeyed_and_then_gone(format: str, space: str) -> None:
    moved = moved_into(SPACES[space], chart(), "RGB")
    upload = encoded(moved, format, icc_profile=SPACES[space], **GENTLE[format])
    output = opened(processed(upload).encoded)
    assert mean_difference(output, chart()) <= MOST
    assert "icc_profile" not in output.info


def test_an_srgb_profile_costs_no_generation() -> None:
    upload = encoded(scene(64, 48), "JPEG", icc_profile=SPACES["sRGB"])
    assert processed(upload).is_normal


@pytest.mark.parametrize("profile", [b"", b"\0" * 200, b"not a profile at all", SPACES["Adobe RGB"][:300]])
def test_a_broken_profile_is_passed_over(profile: bytes) -> None:
    assert processed(encoded(chart(), "JPEG", icc_profile=profile)).is_normal


def in_parts(profile: bytes, *numbers: int) -> bytes:
    """APP2 segments with the parts of a profile that have these numbers, from 1 to the highest of them."""
    length = -(-len(profile) // max(numbers))
    parts = [profile[(number - 1) * length : number * length] for number in numbers]
    heads = [b"ICC_PROFILE\0" + bytes((number, max(numbers))) for number in numbers]
    return b"".join(
        b"\xff\xe2" + (len(head + part) + 2).to_bytes(2, "big") + head + part
        for head, part in zip(heads, parts, strict=True)
    )


@pytest.mark.parametrize(
    ("marker", "more"),
    [
        pytest.param(b"\xff\xda", b"", id="behind the frame header"),
        pytest.param(b"\xff\xdb", in_parts(SPACES["sRGB"], 1), id="before another one"),
        pytest.param(b"\xff\xdb", b"\xff\xe2\0\x0fMPF\0something", id="before other segments of its kind"),
    ],
)
@pytest.mark.parametrize("numbers", [(1,), (1, 2, 3), (3, 1, 2)], ids=str)
def test_a_profile_in_a_jpeg_counts_wherever_browsers_find_it(
    marker: bytes, more: bytes, numbers: tuple[int, ...]
) -> None:
    head, mark, tail = encoded(moved_into(SPACES["ProPhoto"], chart(), "RGB"), "JPEG", **GENTLE["JPEG"]).partition(
        marker
    )
    upload = head + in_parts(SPACES["ProPhoto"], *numbers) + more + mark + tail
    assert mean_difference(opened(processed(upload).encoded), chart()) <= MOST


@pytest.mark.parametrize("numbers", [(2,), (1, 3), (0,)], ids=str)
def test_a_profile_in_a_jpeg_of_which_a_part_is_missing_is_passed_over(numbers: tuple[int, ...]) -> None:
    head, mark, tail = encoded(chart(), "JPEG").partition(b"\xff\xdb")
    parts = in_parts(SPACES["ProPhoto"], *numbers) if any(numbers) else b"\xff\xe2\0\x11ICC_PROFILE\0\0\0x"
    assert processed(head + parts + mark + tail).is_normal


def test_a_profile_behind_a_jpeg_s_first_scan_is_passed_over() -> None:
    first, mark, scans = encoded(chart(), "JPEG", progressive=True).partition(b"\xff\xda")
    scan, more, rest = scans.partition(b"\xff\xda")
    upload = first + mark + scan + in_parts(SPACES["ProPhoto"], 1) + more + rest
    assert more
    assert processed(upload).is_normal


def transforms() -> set[int]:
    """All that there are."""
    gc.collect()
    return {id(thing) for thing in gc.get_objects() if type(thing) is ImageCms.ImageCmsTransform}


@pytest.mark.parametrize("profile", [SPACES["Adobe RGB"], b"junk"], ids=["sound", "broken"])
def test_a_long_profile_is_forgotten_with_its_picture(profile: bytes) -> None:
    """A child may see hundreds, and neither the file's bytes nor what littleCMS copied of them may stay."""
    length = 100_000
    long = length.to_bytes(4, "big") + profile[4:].ljust(length - 4, b"\0")
    before = sys.getrefcount(long), transforms()
    image = chart()
    assert (to_srgb(image, [long]) is image) == (profile == b"junk")
    assert (sys.getrefcount(long), transforms()) == before


def test_a_profile_for_other_pixels_is_passed_over() -> None:
    assert processed(encoded(chart(), "JPEG", icc_profile=gray_profile(1.0))).is_normal


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_gray_with_a_profile_keeps_its_tones(format: str) -> None:
    profile = gray_profile(1.8)
    ramp = Image.linear_gradient("L").resize((4, 256))
    output = opened(processed(encoded(ramp, format, icc_profile=profile)).encoded)
    assert mean_difference(output, moved_to_srgb(profile, ramp)) <= MOST


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("format", "mode"), [("JPEG", "L"), ("PNG", "L"), ("PNG", "LA")])
def test_gray_obeys_a_profile_for_rgb_and_stays_gray(format: str, mode: str, space: str) -> None:
    ramp = Image.linear_gradient("L").resize((4, 256))
    upload = encoded(ramp.convert(mode), format, icc_profile=SPACES[space], **GENTLE[format])
    output = opened(processed(upload).encoded)
    assert output.mode == mode
    assert mean_difference(output.convert("RGB"), moved_to_srgb(SPACES[space], ramp.convert("RGB"))) <= 1.0


def test_gray_of_16_bits_with_alpha_obeys_its_profile() -> None:
    """Pillow opens it as RGBA, which a profile for gray would not fit."""
    row = [257 * value for level in range(256) for value in (level, 255 - level)]
    output = opened(processed(png(16, GRAY_ALPHA, [row], profile_chunk(gray_profile(1.0)))).encoded)
    ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
    assert output.mode == "LA"
    assert mean_difference(output.convert("RGB"), moved_to_srgb(gray_profile(1.0), ramp)) <= 1.0
    assert output.getchannel("A").tobytes() == bytes(range(255, -1, -1))


def test_gray_becomes_coloured_where_its_profile_says_so() -> None:
    sepia = rgb_profile((DISPLAY_P3[0], DISPLAY_P3[1], (0.05, 0.02, 0.3)), 2.2)
    ramp = Image.linear_gradient("L").resize((4, 256))
    output = opened(processed(encoded(ramp, "PNG", icc_profile=sepia)).encoded)
    assert output.mode == "RGB"
    assert mean_difference(output, moved_to_srgb(sepia, ramp.convert("RGB"))) <= 1.0


def test_cmyk_with_a_profile_is_printed_as_it_says() -> None:
    profile = cmyk_profile()
    inks = Image.merge("CMYK", [Image.linear_gradient("L").rotate(turn).resize((64, 64)) for turn in (0, 90, 180, 270)])
    upload = encoded(inks, "JPEG", quality=98, icc_profile=profile)
    output = opened(processed(upload).encoded)
    assert output.mode == "RGB"
    assert mean_difference(output, moved_to_srgb(profile, inks)) <= MOST
    assert mean_difference(output, inks.convert("RGB")) > MOST


def test_cmyk_without_a_profile_is_light_where_there_is_no_ink() -> None:
    """Pillow and Photoshop store CMYK inverted; read the wrong way round, paper would be black."""
    paper = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert opened(processed(encoded(paper, "JPEG")).encoded).getpixel((8, 8)) == (255, 255, 255)
    assert mean_difference(opened(processed(encoded(red, "JPEG")).encoded), Image.new("RGB", (16, 16), "red")) <= MOST


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_kind_of_png_looks_the_same_afterwards(mode: str) -> None:
    image = chart().convert(mode)
    output = opened(processed(encoded(image, "PNG")).encoded)
    assert mean_difference(output, image) == 0


def deep_png(colour_type: int, samples: int) -> bytes:
    """A 16-bit PNG whose samples rise evenly from 0 to 65535."""
    width, height = 64, 4
    row = b"\0" + b"".join((x * 65535 // (width - 1)).to_bytes(2, "big") * samples for x in range(width))
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((16, colour_type, 0, 0, 0))
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(row * height)), (b"IEND", b""))
    return SIGNATURE + b"".join(chunk(kind, content) for kind, content in parts)


@pytest.mark.parametrize(("colour_type", "samples"), [(0, 1), (2, 3)])
def test_16_bits_become_8_and_stay_the_same_colours(colour_type: int, samples: int) -> None:
    work = processed(deep_png(colour_type, samples))
    wanted = Image.frombytes("L", (64, 1), bytes(round(x * 255 / 63) for x in range(64))).resize((64, 4))
    assert not work.is_normal
    assert work.encoded[24] == 8
    assert mean_difference(opened(work.encoded), wanted) <= MOST


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_wide_colours_named_by_code_points_become_srgb(format: str) -> None:
    """12 and 13 of ITU-T H.273: the primaries of P3 with the curve of sRGB."""
    wide = moved_into(SPACES["Display P3"], chart(), "RGB")
    upload = with_code_points(encoded(wide, format, **GENTLE[format]), primaries=12, transfer=13)
    assert mean_difference(opened(processed(upload).encoded), chart()) <= MOST


@pytest.mark.parametrize("is_profile", [True, False])
@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_what_only_the_tiles_say_of_colours_counts_for_the_whole(format: str, is_profile: bool) -> None:
    """Phones write it so, and browsers take it so."""
    wanted = chart().resize((100, 80), Image.Resampling.NEAREST)
    wide = moved_into(SPACES["Display P3"], wanted, "RGB")
    options = GENTLE[format] | ({"icc_profile": SPACES["Display P3"]} if is_profile else {})
    tile = encoded(wide, format, **options)
    upload = as_tile(tile if is_profile else with_code_points(tile, primaries=12, transfer=13))
    assert mean_difference(opened(processed(upload).encoded), wanted) <= MOST


@pytest.mark.parametrize("frames", [1, 2])
def test_what_only_the_coded_picture_says_of_colours_counts(frames: int) -> None:
    """A still has a short sequence header and an animation a long one (AV1 bitstream specification, 5.5.1)."""
    wide = moved_into(SPACES["Display P3"], chart(), "RGB")
    film = {"save_all": True, "append_images": [wide.rotate(180)]} if frames > 1 else {}
    upload = with_code_points_in_av1_alone(encoded(wide, "AVIF", **GENTLE["AVIF"], **film), primaries=12, transfer=13)
    assert mean_difference(opened(processed(upload).encoded), chart()) <= MOST


def test_a_tile_that_says_its_colours_only_in_what_is_coded_does_so_for_the_whole() -> None:
    wanted = chart().resize((100, 80), Image.Resampling.NEAREST)
    tile = encoded(moved_into(SPACES["Display P3"], wanted, "RGB"), "AVIF", **GENTLE["AVIF"])
    upload = as_tile(with_code_points_in_av1_alone(tile, primaries=12, transfer=13))
    assert mean_difference(opened(processed(upload).encoded), wanted) <= MOST


def test_a_sequence_header_that_is_cut_off_says_nothing() -> None:
    head = coded_head(encoded(chart(), "AVIF"))
    assert av1_header.code_points(head) == (1, 13)
    assert not any(av1_header.code_points(head[:length]) for length in range(10))


@pytest.mark.parametrize(("transfer", "white"), [(16, 148), (18, 191)])
def test_hdr_white_becomes_a_light_gray_with_room_for_highlights(transfer: int, white: int) -> None:
    """Diffuse white of 203 cd/m2 is 58 % of the PQ signal and 75 % of the HLG signal (ITU-R BT.2408)."""
    table = meaning_of((9, transfer), "AVIF")
    assert isinstance(table, ImageFilter.Color3DLUT)
    ramp = Image.frombytes(
        "RGB", (4, 1), bytes(value for level in (0, white // 2, white, 255) for value in [level] * 3)
    )
    black, middle, diffuse, peak = (value for value in ramp.filter(table).getchannel("G").tobytes())
    assert black <= 2 < middle < diffuse < peak
    assert 170 <= diffuse <= 215
    assert peak >= 250


@pytest.mark.parametrize(("primaries", "shown"), [(8, (220, 115, 44)), (22, (201, 121, 59))])
def test_rare_primaries_are_shown_as_in_browsers(primaries: int, shown: tuple[int, ...]) -> None:
    """Those of film with illuminant C and of EBU Tech. 3213."""
    image = to_srgb(Image.new("RGB", (1, 1), (200, 120, 60)), filter(None, [meaning_of((primaries, 13), "AVIF")]))
    assert image.getpixel((0, 0)) == shown


@pytest.mark.parametrize("points", [(1, 13), (1, 1), (1, 6), (2, 2)])
def test_ordinary_code_points_change_nothing(points: tuple[int, int]) -> None:
    image = chart()
    assert to_srgb(image, filter(None, [meaning_of(points, "AVIF")])) is image
