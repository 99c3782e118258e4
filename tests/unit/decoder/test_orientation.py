"""Every picture comes out upright: five formats, eight orientations, and all that HEIF and AVIF add to them."""

from __future__ import annotations

import textwrap
import zlib
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from services.decoder import png_chunks
from tests.support.boxes import imir, irot, with_transforms
from tests.support.decoding import difference, opened, processed
from tests.support.pictures import CORNERS, FORMATS, ORIENTATION, encoded, picture, scene, stored
from tests.support.png import with_chunks

SIZE = (96, 64)
NEAR = 6.0
RESOLUTION_UNIT = 0x0128

TRANSFORMS = {
    1: (),
    2: (imir(1),),
    3: (irot(2),),
    4: (imir(0),),
    5: (irot(1), imir(0)),
    6: (irot(3),),
    7: (irot(3), imir(0)),
    8: (irot(1),),
}
"""The transforms that mean the same as an EXIF orientation; the rotation comes first."""

orientations = pytest.mark.parametrize("orientation", range(1, 9))
containers = pytest.mark.parametrize("format", ["HEIF", "AVIF"])


def exif(orientation: int, tag: int = ORIENTATION) -> bytes:
    tags = Image.Exif()
    tags[tag] = orientation
    return tags.tobytes()


def with_exif(image: Image.Image, format: str, orientation: int) -> bytes:
    """A HEIF or AVIF file with that orientation in EXIF; Pillow's AVIF writer would take it out again."""
    if format == "HEIF":
        return encoded(image, format, exif=exif(orientation))
    upload = encoded(image, format, exif=exif(orientation, RESOLUTION_UNIT))
    entry = b"%c%c\0\x03\0\0\0\x01" if b"MM\0*" in upload else b"%c%c\x03\0\x01\0\0\0"
    order = (0, 1) if b"MM\0*" in upload else (1, 0)
    old, new = (entry % tuple(divmod(tag, 256)[i] for i in order) for tag in (RESOLUTION_UNIT, ORIENTATION))
    assert old in upload
    return upload.replace(old, new)


def upright(orientation: int) -> Image.Image:
    return scene(SIZE[1], SIZE[0]) if orientation >= 5 else scene(*SIZE)


@orientations
@pytest.mark.parametrize("format", FORMATS)
def test_a_turned_picture_comes_out_upright(format: str, orientation: int) -> None:
    work = processed(picture(format, *SIZE, orientation=orientation))
    assert difference(opened(work.encoded), upright(orientation)) < NEAR
    assert (work.shown.width, work.shown.height) == upright(orientation).size


@orientations
@containers
def test_transforms_alone_turn_a_picture(format: str, orientation: int) -> None:
    plain = encoded(stored(upright(orientation), orientation), format)
    work = processed(with_transforms(plain, *TRANSFORMS[orientation]))
    assert difference(opened(work.encoded), upright(orientation)) < NEAR


@orientations
@containers
def test_transforms_win_over_an_exif_that_contradicts_them(format: str, orientation: int) -> None:
    contradicting = orientation % 8 + 1
    plain = with_exif(stored(upright(orientation), orientation), format, contradicting)
    work = processed(with_transforms(plain, *TRANSFORMS[orientation]))
    assert difference(opened(work.encoded), upright(orientation)) < NEAR


@orientations
@containers
def test_exif_without_transforms_turns_nothing_as_the_formats_say(format: str, orientation: int) -> None:
    work = processed(with_transforms(with_exif(scene(*SIZE), format, orientation)))
    assert difference(opened(work.encoded), scene(*SIZE)) < NEAR


XMP = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def with_xmp(format: str, **options: Any) -> bytes:
    if format == "PNG":
        options["pnginfo"] = info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    else:
        options["xmp"] = XMP
    upload = encoded(scene(*SIZE), format, **options)
    # pillow-heif writes what it finds in XMP as a transform.
    return with_transforms(upload) if format == "HEIF" else upload


@pytest.mark.parametrize("resolution", [{}, {"exif": exif(2, RESOLUTION_UNIT)}], ids=["no EXIF", "EXIF without it"])
@pytest.mark.parametrize("format", FORMATS)
def test_an_orientation_in_xmp_alone_turns_nothing(format: str, resolution: dict[str, bytes]) -> None:
    work = processed(with_xmp(format, **resolution))
    assert difference(opened(work.encoded), scene(*SIZE)) < NEAR


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_exif_wins_over_xmp(format: str) -> None:
    work = processed(with_xmp(format, exif=exif(3)))
    assert difference(opened(work.encoded), scene(*SIZE).transpose(Image.Transpose.ROTATE_180)) < NEAR


@pytest.mark.parametrize("is_first", [True, False])
def test_exif_in_png_text_turns_as_well(is_first: bool) -> None:
    plain, block = picture("PNG", *SIZE), exif(6)
    digits = "\n".join(textwrap.wrap(block.hex(), 72))
    text = f"\nexif\n{len(block):8}\n{digits}\n".encode()
    chunk = png_chunks.chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))
    place = 33 if is_first else -12
    work = processed(plain[:place] + chunk + plain[place:])
    assert difference(opened(work.encoded), scene(*SIZE).transpose(Image.Transpose.ROTATE_270)) == 0


def test_exif_behind_the_pixels_of_a_png_turns_as_well() -> None:
    plain = picture("PNG", *SIZE)
    chunk = png_chunks.chunk(b"eXIf", exif(6).removeprefix(b"Exif\0\0"))
    work = processed(plain[:-12] + chunk + plain[-12:])
    assert difference(opened(work.encoded), scene(*SIZE).transpose(Image.Transpose.ROTATE_270)) == 0


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    upload = encoded(scene(*SIZE), "JPEG", exif=exif(orientation))
    assert processed(upload).is_normal


@pytest.mark.parametrize(
    "broken", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0garbage", b"Exif\0\0MM\0*" * 9]
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_turns_nothing_and_refuses_nothing(format: str, broken: bytes) -> None:
    assert processed(encoded(scene(*SIZE), format, exif=broken)).is_normal


def test_an_avif_with_broken_exif_is_still_a_picture() -> None:
    upload = with_exif(scene(*SIZE), "AVIF", 1)
    start = upload.index(b"II*\0") if b"II*\0" in upload else upload.index(b"MM\0*")
    broken = upload[:start] + b"????" + upload[start + 4 :]
    assert difference(opened(processed(broken).encoded), scene(*SIZE)) < NEAR


def test_alpha_is_turned_along() -> None:
    upload = picture("PNG", *SIZE, mode="RGBA", orientation=6)
    assert difference(opened(processed(upload).encoded), scene(SIZE[1], SIZE[0], "RGBA")) == 0


@pytest.mark.parametrize("name", ["exif", "interlace", "transparency"])
def test_a_text_in_png_with_a_name_of_pillow_s_changes_nothing(name: str) -> None:
    """Pillow keeps texts where it keeps what other chunks say, and what comes last stays."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    clear = b"".join(level.to_bytes(2, "big") for level in CORNERS["top left"])
    told = (b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")), (b"tRNS", clear)
    upload = with_chunks(picture("PNG"), *told, (b"iTXt", name.encode() + b"\0\0\0\0\0yes"))
    without = with_chunks(picture("PNG"), *told)
    assert difference(opened(processed(upload).encoded), opened(processed(without).encoded)) == 0
