"""What the page reads from a file's first bytes is what the server reads from them."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from libs.shared.imaging import MAX_HEAD_BYTES, probe
from tests.support.pictures import FORMATS, picture
from tests.web.screen import Screen

INSPECT = """async ([content]) => {
  const { sniff } = await import('/assets/any/scripts/files/sniff.js');
  const { sizeOf } = await import('/assets/any/scripts/files/size.js');
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const format = sniff(view);
  return { format, ...(format && sizeOf(view, format)) };
}"""


def inspected(screen: Screen, content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = screen.page.evaluate(INSPECT, [base64.b64encode(content[:MAX_HEAD_BYTES]).decode()])
    return found


@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
@pytest.mark.parametrize("format", FORMATS)
def test_a_drawn_picture_has_the_size_that_a_person_will_see(
    screen: Screen, format: str, orientation: int | None
) -> None:
    found = inspected(screen.open(), picture(format, 120, 80, orientation=orientation))
    # PNG and WebP keep EXIF behind their pixels, beyond what is read before sending.
    is_turned = orientation in (6, 8) and format not in ("PNG", "WEBP")
    assert found["format"] == format
    assert found["shown"] == ([80, 120] if is_turned else [120, 80])


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
