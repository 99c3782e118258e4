"""The client that the documentation hands out works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.keys import make_key
from tests.support.pictures import picture
from tests.support.stack import StartStack

EXAMPLE = Path(__file__).parents[2] / "examples" / "upload.py"


def test_it_saves_thumbnails_and_tells_why_a_picture_failed_or_was_refused(
    start_stack: StartStack, tmp_path: Path
) -> None:
    stack = start_stack()
    key = make_key(stack, "anna", "read,write")
    whole = picture("JPEG", 640, 360)
    (tmp_path / "beach.jpg").write_bytes(whole)
    (tmp_path / "broken.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "huge.jpg").write_bytes(picture("JPEG", 4032, 3024))

    command = [sys.executable, str(EXAMPLE), stack.url, "huge.jpg", "beach.jpg", "broken.jpg"]
    environment = {**os.environ, "ALBUM_KEY": key}
    told = subprocess.run(
        command, cwd=tmp_path, env=environment, timeout=120, check=False, capture_output=True, text=True
    )

    assert told.returncode == 0, told.stderr
    refused, ready, failed = told.stdout.splitlines()
    assert refused.startswith("huge.jpg dimensions-too-large ")
    assert ready.startswith(f"beach.jpg 640x360 {stack.url}/album/")
    assert failed.startswith("broken.jpg truncated-image ")
    assert (tmp_path / "beach.thumbnail.webp").read_bytes()[8:12] == b"WEBP"
