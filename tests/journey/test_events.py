"""``GET /events``: what happens, told as it happens and again after a break."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from libs.shared.events import Envelope
from tests.journey.expect import failed
from tests.support.client import AlbumClient, connect
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

CREATED, UPLOADED = "io.album.album.created.v1", "io.album.image.uploaded.v1"
ENCODED, THUMBNAIL = "io.album.image.encoded.v1", "io.album.thumbnail.created.v1"
FAILED, DELETED = "io.album.image.failed.v1", "io.album.image.deleted.v1"


@dataclass
class Listener:
    """Everything that one event stream has sent so far."""

    answer: httpx.Response
    frames: list[dict[str, str]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def listen(self) -> None:
        frame: dict[str, str] = {}
        try:
            for line in self.answer.iter_lines():
                name, _, value = line.partition(": ")
                if line.startswith(":"):
                    self.comments.append(line)
                elif line:
                    frame[name] = value
                else:
                    self.frames.append(frame)
                    frame = {}
        except httpx.HTTPError:
            pass  # the test is over

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(frame["data"]) for frame in list(self.frames) if "id" in frame]

    def types(self, subject: str | None = None) -> list[str]:
        return [event["type"] for event in self.events if subject in (None, event["subject"])]


Listen = Callable[..., Any]


@contextmanager
def listening_at(url: str, last_event_id: str | None = None, **wanted: str) -> Iterator[Listener]:
    headers = {} if last_event_id is None else {"last-event-id": last_event_id}
    with (
        connect(url) as client,
        client.stream("GET", "/events", params=wanted, headers=headers) as answer,
    ):
        assert answer.status_code == 200
        listener = Listener(answer)
        Thread(target=listener.listen, daemon=True).start()
        yield listener


@pytest.fixture
def listen(stack: Stack) -> Listen:
    return partial(listening_at, stack.url)


@pytest.fixture(scope="module", autouse=True)
def quiet(stack: Stack) -> Iterator[Listener]:
    """A stream on which nothing happens, from the first test of this file on."""
    with listening_at(stack.url, album_id=str(uuid.uuid4())) as listener:
        yield listener


def test_the_stream_is_one_that_browsers_follow(listen: Listen) -> None:
    with listen() as heard:
        assert heard.answer.headers["content-type"].startswith("text/event-stream")
        assert heard.answer.headers["cache-control"] == "no-store"
        eventually(lambda: heard.frames, what="the first frame")
        assert int(heard.frames[0]["retry"]) > 0


def test_the_way_of_an_image_is_told_in_order(album: AlbumClient, listen: Listen) -> None:
    with listen() as heard:
        album_id = album.create()
        image_id = album.ready(album_id, picture("PNG", 8, 8))["image_id"]
        album.post("/album/image/delete", album_id=album_id, image_id=image_id)

        eventually(lambda: DELETED in heard.types(image_id), what="the deletion is told")

    assert heard.types(album_id) == [CREATED]
    assert heard.types(image_id) == [UPLOADED, ENCODED, THUMBNAIL, DELETED]
    assert [event["sequence"] for event in heard.events if event["subject"] == image_id] == [1, 2, 3, 4]


def test_each_data_line_is_a_cloudevent_under_its_id(album: AlbumClient, listen: Listen) -> None:
    with listen() as heard:
        album_id = album.create()
        eventually(lambda: CREATED in heard.types(album_id), what="the album is told")

    frame = next(frame for frame in heard.frames if "id" in frame and json.loads(frame["data"])["subject"] == album_id)
    event = json.loads(frame["data"])
    assert set(frame) == {"id", "data"}
    assert event["id"] == frame["id"]
    assert (event["specversion"], event["type"], event["source"]) == ("1.0", CREATED, "/album/api")
    assert event["data"] == {"album_id": album_id}
    assert Envelope.from_json(frame["data"].encode()).event()


def test_a_failure_is_told_with_stage_and_code(album: AlbumClient, listen: Listen) -> None:
    with listen() as heard:
        image_id = album.settled(album.upload(album.create(), picture("JPEG")[:400]))["image_id"]
        eventually(lambda: FAILED in heard.types(image_id), what="the failure is told")

    data = next(event["data"] for event in heard.events if event["type"] == FAILED and event["subject"] == image_id)
    assert (data["stage"], data["code"], data["attempts"]) == ("decoder", "truncated-image", 1)


def test_no_event_carries_names(album: AlbumClient, listen: Listen) -> None:
    with listen() as heard:
        album_id = album.create("A very private name")
        image_id = album.settled(album.upload(album_id, picture("PNG", 8, 8), "another-secret.png"))["image_id"]
        eventually(lambda: THUMBNAIL in heard.types(image_id), what="all is told")

    told = json.dumps(heard.events)
    assert "private" not in told
    assert "secret" not in told


def test_requests_among_the_stages_are_not_public(stack: Stack, album: AlbumClient, listen: Listen) -> None:
    album_id = album.create()
    image_id = album.ready(album_id, picture("PNG", 8, 8))["image_id"]
    with listen() as heard:
        stack.database["fs.files"].delete_many({"metadata.image_id": image_id, "metadata.kind": "thumbnail"})
        stack.database["fs.chunks"].delete_many(
            {"files_id": (stack.database["images"].find_one({"_id": image_id}) or {})["thumbnail"]["blob_id"]}
        )
        album.post("/album/thumbnail/get", thumbnail_id=album_id + image_id)
        eventually(lambda: THUMBNAIL in heard.types(image_id), what="the new thumbnail is told")

    assert heard.types(image_id) == [THUMBNAIL]


def test_one_album_can_be_listened_to_alone(album: AlbumClient, listen: Listen) -> None:
    mine, other = album.create(), album.create()
    with listen(album_id=mine.upper()) as heard:
        album.upload(other, picture("PNG", 8, 8))
        image_id = album.settled(album.upload(mine, picture("PNG", 8, 8)))["image_id"]
        eventually(lambda: THUMBNAIL in heard.types(image_id), what="all of mine is told")

    assert {event["data"]["album_id"] for event in heard.events} == {mine}


@pytest.mark.parametrize("is_narrow", [False, True], ids=["all", "one album"])
def test_whoever_comes_back_hears_what_he_missed_and_what_follows(
    album: AlbumClient, listen: Listen, is_narrow: bool
) -> None:
    album_id = album.create()
    wanted = {"album_id": album_id} if is_narrow else {}
    with listen(**wanted) as before:
        first = album.settled(album.upload(album_id, picture("PNG", 8, 8)))["image_id"]
        eventually(lambda: UPLOADED in before.types(first), what="the first upload is told")
    last = next(event for event in before.events if event["subject"] == first)
    missed = [album.ready(album_id, picture("PNG", 8, 8))["image_id"] for _ in range(3)]

    with listen(last["id"], **wanted) as after:
        new = album.ready(album_id, picture("PNG", 8, 8))["image_id"]
        eventually(lambda: THUMBNAIL in after.types(new), what="what follows is told")

    assert after.types(first)[-2:] == [ENCODED, THUMBNAIL]
    for image_id in (*missed, new):
        assert after.types(image_id) == [UPLOADED, ENCODED, THUMBNAIL]
    assert len({event["id"] for event in after.events}) == len(after.events)


def recorded_in_the_log(stack: Stack, album_id: str, many: int, **more: str) -> int:
    """Put so many events more about an album into the log, after its first, each with ``more`` in its data."""
    template = stack.database["events"].find_one({"subject": album_id, "sequence": 1}) or {}
    envelope = template["envelope"]
    stack.database["events"].insert_many(
        {
            **template,
            "pending": [],
            "_id": f"{album_id}-{sequence}",
            "sequence": sequence,
            "envelope": {
                **envelope,
                "id": f"{album_id}-{sequence}",
                "sequence": sequence,
                "data": {**envelope["data"], **more},
            },
        }
        for sequence in range(2, many + 2)
    )
    return many


def test_more_is_told_again_than_one_look_at_the_log_brings(stack: Stack, album: AlbumClient, listen: Listen) -> None:
    with listen() as before:
        album_id = album.create()
        eventually(lambda: CREATED in before.types(album_id), what="the album is told")
    last = next(event for event in before.events if event["subject"] == album_id)
    many = recorded_in_the_log(stack, album_id, 1200)

    with listen(last["id"], album_id=album_id) as after:
        eventually(lambda: len(after.events) == many, what="all of them are told")

    assert [event["sequence"] for event in after.events] == [*range(2, many + 2)]


def test_whoever_comes_back_with_an_id_that_is_forgotten_is_told_to_begin_anew(
    album: AlbumClient, listen: Listen
) -> None:
    with listen("no-such-event") as heard:
        album_id = album.create()
        eventually(lambda: CREATED in heard.types(album_id), what="what follows is told")

    assert {"event": "reset", "data": "{}"} in heard.frames


def test_whoever_comes_back_with_an_empty_id_has_none(album: AlbumClient, listen: Listen) -> None:
    with listen("") as heard:
        album_id = album.create()
        eventually(lambda: CREATED in heard.types(album_id), what="what follows is told")

    assert {"event": "reset", "data": "{}"} not in heard.frames


def test_an_odd_album_id_is_refused(album: AlbumClient) -> None:
    failed(album.http.get("/events", params={"album_id": "summer"}), 422, "invalid-request")


def test_every_api_tells_what_any_api_has_recorded(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, apis=2)
    with ExitStack() as all_of_them:
        heard = [all_of_them.enter_context(listening_at(url)) for url in stack.urls]
        albums = []
        for url in stack.urls:
            with stack.client(url) as client:
                albums.append(client.create())
        for listener in heard:
            eventually(lambda one=listener: {*albums} <= {event["subject"] for event in one.events}, what="both")  # type: ignore[misc]

        seen = next(event["id"] for event in heard[0].events if event["subject"] == albums[0])
        with listening_at(stack.urls[1], seen) as resumed:
            eventually(lambda: CREATED in resumed.types(albums[1]), what="it goes on at another API")
        assert {"event": "reset", "data": "{}"} not in resumed.frames


def test_whoever_does_not_read_is_cut_off_and_can_resume(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    where = urlsplit(stack.url)
    with stack.client() as client, socket.create_connection((where.hostname or "", where.port or 0)) as lazy:
        # Or the kernel might take in everything for it: up to 32 MiB by default.
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        lazy.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        eventually(lambda: b"retry:" in lazy.recv(1000, socket.MSG_PEEK), what="the stream begins")
        album_id = client.create()
        many = recorded_in_the_log(stack, album_id, 6000, filler="x" * 2000)

        eventually(lambda: "cut off an event stream" in stack.log("api-0"), 60, "the reader is given up")

        lazy.settimeout(20)
        read = b"".join(iter(lambda: lazy.recv(1 << 20), b""))
        heard = [line.removeprefix("id: ") for line in read.decode().splitlines() if line.startswith("id: ")]
        heard.pop()  # it may be incomplete
        assert 0 < len(heard) < many
        with listening_at(stack.url, heard[-1]) as resumed:
            everything = many + 1
            eventually(lambda: len({*heard, *(event["id"] for event in resumed.events)}) == everything, 30, "the rest")


def test_a_stream_on_which_nothing_happens_shows_that_it_lives(quiet: Listener) -> None:
    eventually(lambda: quiet.comments, 20, "a heartbeat")
