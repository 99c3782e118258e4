"""What the page reads from a file's first bytes is what the server reads from them."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from libs.shared.imaging import MAX_HEAD_BYTES, probe
from tests.support.pictures import FORMATS, ORIENTATION, picture
from tests.web.screen import Screen

INSPECT = """async ([content]) => {
  const { sniff } = await import('/assets/any/scripts/files/sniff.js');
  const { sizeOf } = await import('/assets/any/scripts/files/size.js');
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const format = sniff(view);
  return { format, ...(format && sizeOf(view, format)) };
}"""

BRANDS = (
    "mif1 mif1 heic",
    "mif1 miaf avif",
    "mif1 mif1 mif1",
    "mif2 isom isom",
    "msf1 isom isom",
    "miaf isom isom",
    "isom mif1 mif1",
    "avif mif1 heic",
    "heic mif1 avif",
    "mif1 heic avif",
    "avis isom isom",
    "heix isom isom",
    "isom iso2 mp41",
)
"""Major and compatible brands, in every way in which they agree and do not."""


def ftyp(*brands: str) -> bytes:
    """The box that a HEIF or AVIF file begins with."""
    major, *others = [brand.encode() for brand in brands]
    content = b"ftyp" + major + bytes(4) + b"".join(others)
    return (len(content) + 4).to_bytes(4, "big") + content


def inspected(screen: Screen, content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = screen.page.evaluate(INSPECT, [base64.b64encode(content[:MAX_HEAD_BYTES]).decode()])
    return found


@pytest.mark.parametrize("orientation", [None, 1, 3, 5, 6, 8])
@pytest.mark.parametrize("format", FORMATS)
def test_a_drawn_picture_has_the_size_that_a_person_will_see(
    screen: Screen, format: str, orientation: int | None
) -> None:
    found = inspected(screen.open(), picture(format, 120, 80, orientation=orientation))
    # PNG and WebP keep EXIF behind their pixels, beyond what is read before sending.
    is_turned = orientation in (5, 6, 8) and format not in ("PNG", "WEBP")
    assert found["format"] == format
    assert found["shown"] == ([80, 120] if is_turned else [120, 80])


@pytest.mark.parametrize(
    "content",
    [
        picture("JPEG", 120, 80, progressive=True),
        picture("WEBP", 120, 80, lossless=True),
        picture("WEBP", 120, 80, mode="RGBA"),
        picture("WEBP", 120, 80, frames=2),
    ],
    ids=["progressive-jpeg", "lossless-webp", "webp-with-alpha", "animated-webp"],
)
def test_every_way_of_compressing_tells_the_size(screen: Screen, content: bytes) -> None:
    found, known = inspected(screen.open(), content), probe(content)
    assert found["stored"] == [known.width, known.height] == [120, 80]


@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
def test_the_orientation_is_read_in_either_order_of_bytes(screen: Screen, order: str) -> None:
    exif = Image.Exif()
    exif.endian = order
    exif[ORIENTATION] = 6
    content = picture("JPEG", 120, 80, orientation=6, exif=exif.tobytes())
    assert inspected(screen.open(), content)["shown"] == [80, 120]


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_a_file_is_of_the_format_that_the_server_takes_its_brands_for(screen: Screen, format: str) -> None:
    screen.open()
    drawn = picture(format, 120, 80)
    rest = drawn[int.from_bytes(drawn[:4], "big") :]
    for brands in BRANDS:
        content = ftyp(*brands.split()) + rest
        assert inspected(screen, content)["format"] == probe(content).format, brands


@pytest.mark.parametrize("length", [0, 3, 11, 12, 20, 29, 40])
@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_ends_early_is_no_error(screen: Screen, format: str, length: int) -> None:
    inspected(screen.open(), picture(format, 120, 80)[:length])


if corpus := os.environ.get("ALBUM_CORPUS"):

    def test_real_files_are_read_as_the_server_reads_them(screen: Screen) -> None:
        files = sorted(path for path in Path(corpus or "", "files").rglob("*") if path.is_file())
        assert files, "ALBUM_CORPUS is set, and nothing is there"
        screen.open()
        for path in files:
            content = path.read_bytes()
            found, known = inspected(screen, content), probe(content[:MAX_HEAD_BYTES])
            assert found["format"] == known.format, path
            if known.width and found.get("stored"):
                assert found["stored"] == [known.width, known.height], path
