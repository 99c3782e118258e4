"""The client that the documentation hands out works."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from examples import upload
from tests.support.keys import make_key
from tests.support.pictures import picture
from tests.support.raw import RawConnection, field, file, form
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

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


def test_it_waits_for_what_a_lost_connection_has_left_under_its_key(stack: Stack) -> None:
    content, told = picture("JPEG", 640, 360), list[int]()
    key = {"Idempotency-Key": "the same"}
    with (
        stack.client() as album,
        httpx.Client(base_url=stack.url, event_hooks={"response": [lambda it: told.append(it.status_code)]}) as ours,
        RawConnection(stack.url) as lost,
        ThreadPoolExecutor(1) as pool,
    ):
        album_id = album.create()
        body = form(field("album_id", album_id), file(content))
        lost.begin(content_length=len(body), idempotency_key="the same")
        lost.send(body[:-10])
        held = {"accepted": {"$exists": False}}
        eventually(lambda: stack.database["idempotency"].find_one(held), what="the key is held")

        request = {"data": {"album_id": album_id}, "files": {"image": ("beach.jpg", content)}, "headers": key}
        answer = pool.submit(upload.post, ours, "/album/image/upload", **request)
        eventually(lambda: told, what="it was told to come again")
        lost.socket.close()

        assert answer.result(timeout=60).status_code == 202
        assert told[0] == 409
