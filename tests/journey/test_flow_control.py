"""More work than the machine can do: uploads are asked to come back later, reads go on."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.journey.expect import failed
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

UPLOADERS = 16
READS = 40
STARVED_SECONDS = 5.0
"""Far more than any read takes here, and far less than the uploads around it take together."""


def busy(answer: httpx.Response) -> bool:
    """Whether an upload was refused because too much waits; nothing else may be the matter with it."""
    if answer.status_code == 202:
        return False
    failed(answer, 503, "busy")
    assert int(answer.headers["retry-after"]) > 0
    return True


def test_uploads_are_refused_while_pictures_wait_too_long_and_taken_again_afterwards(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, ALBUM_MAX_WAIT_SECONDS="0.5")
    with stack.client() as album:
        album_id = album.create()
        waiting = album.upload(album_id, picture("PNG", 8, 8))
        assert waiting.status_code == 202

        eventually(lambda: busy(album.upload(album_id, picture("PNG", 8, 8))), what="an upload is refused")
        stack.start("decoder")
        eventually(lambda: not busy(album.upload(album_id, picture("PNG", 8, 8))), what="an upload is taken again")

        assert album.settled(waiting)["state"] == "ready"


def test_stages_step_back_behind_whoever_answers_people(stack: Stack) -> None:
    groups = {name: Path(f"/proc/{process.pid}/autogroup") for name, process in stack.processes.items()}
    # Where the kernel does not share the processor out by session, niceness alone decides.
    told = {name: group.read_text().rpartition(" ")[2].strip() for name, group in groups.items() if group.exists()}

    assert told in ({}, {"api-0": "0", "decoder-0": "10", "thumbnailer-0": "10"})


def test_a_flood_of_uploads_never_starves_reads(stack: Stack, album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.ready(album_id, picture("JPEG", 1920, 1080))["image_id"]
    addresses = (f"/album/thumbnail/{album_id}{image_id}", f"/album/{album_id}/image/{image_id}")
    is_over = threading.Event()
    accepted: list[str] = []

    def upload_on() -> None:
        with stack.client() as client:
            while not is_over.is_set():
                answer = client.upload(album_id, picture("PNG", 640, 480))
                assert answer.status_code == 202
                accepted.append(answer.json()["image_id"])

    taken: list[float] = []
    with ThreadPoolExecutor(UPLOADERS) as pool:
        uploaders = [pool.submit(upload_on) for _ in range(UPLOADERS)]
        try:
            # On a slow machine all reads would be over before the flood has come.
            while len(taken) < READS or (len(accepted) < UPLOADERS and not all(each.done() for each in uploaders)):
                began = time.monotonic()
                assert album.http.get(addresses[len(taken) % 2]).status_code == 200
                taken.append(time.monotonic() - began)
        finally:
            is_over.set()
        for each in uploaders:
            each.result()

    assert max(taken) < STARVED_SECONDS, taken
