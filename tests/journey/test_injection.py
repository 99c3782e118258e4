"""Names, headers and ids from outside are data: none of them writes a header, a line of a log, or an event's field."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.journey.expect import ABSENT
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.raw import RawConnection, field, file, form
from tests.support.stack import Stack, StartStack

SMALL = picture("PNG", 8, 8)
FORGED = "forged"
EVIL = {
    "a line": f"a\r\nx-{FORGED}: yes",
    "a line without return": f"a\nlevel=critical event={FORGED}",
    "the end of a head": f"a\r\n\r\n<script>{FORGED}</script>",
    "a quote": f'a"; filename="{FORGED}.exe',
    "a terminal's command": f"\x1b]0;{FORGED}\x07\x1b[2J",
    "a way back": f"../../etc/{FORGED}",
    "a way back on windows": f"..\\..\\{FORGED}",
    "a null": f"a\0{FORGED}",
    "another line": f"a\u2028{FORGED}\x85",
    "text turned round": f"\u202e{FORGED}",
    "a template": f"{{{{7*7}}}}${{{FORGED}}}%s%n",
    "an operator": json.dumps({"$where": FORGED}),
}


@pytest.fixture(scope="module", params=["json", "text"])
def logging(_stacks: StartStack, request: pytest.FixtureRequest) -> Iterator[Stack]:
    started = _stacks(decoders=0, thumbnailers=0, ALBUM_LOG_FORMAT=request.param, ALBUM_LOG_LEVEL="debug")
    yield started
    started.stop()


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_a_name_is_a_name_and_nothing_else(idle: AlbumClient, evil: str) -> None:
    album_id = idle.create(evil)
    image_id = idle.upload(album_id, SMALL, image_name=evil).json()["image_id"]

    card = idle.post("/album/image/info", album_id=album_id, image_id=image_id)
    sent = idle.http.get(f"/album/{album_id}/image/{image_id}?variant=original")

    assert card.json()["image"]["name"] == evil
    assert f"x-{FORGED}" not in sent.headers
    assert sent.content == SMALL
    disposition = sent.headers["content-disposition"]
    assert disposition.startswith("attachment; filename*=UTF-8''")
    assert disposition.isascii()
    assert not set(disposition) & set('"\\/\r\n\0\x1b')


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_nothing_from_outside_writes_a_line_of_the_log(logging: Stack, evil: str) -> None:
    header = evil.replace("\r", "").replace("\n", "").encode("utf-8", "replace").decode("latin-1")
    with logging.client() as album:
        album_id = album.create(evil)
        album.upload(album_id, SMALL, name=evil, headers={"idempotency-key": FORGED})
        album.http.get("/album/" + FORGED + "%0d%0a" + FORGED)
        album.post("/job/get", job_id=evil)
        album.http.get("/events", params={"album_id": evil})
    for name in ("User-Agent", "X-Request-Id", "Traceparent", "Authorization", "Cookie", "X-Forwarded-For"):
        with RawConnection(logging.url) as raw:
            raw.begin("GET", f"/album/{ABSENT}/image/{ABSENT}", **{name: header})
            raw.answer()

    log = logging.log("api-0")
    assert "\x1b]" not in log
    assert not [
        line for line in log.splitlines() if line.lstrip().startswith((FORGED, f"x-{FORGED}", "level=critical"))
    ]


@pytest.mark.parametrize(
    ("traceparent", "is_taken"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-" + "x" * 5000, False),
        ("00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01", False),
        ("<script>", False),
        ("", False),
    ],
)
def test_events_carry_a_trace_only_if_it_is_one(
    album: AlbumClient, stack: Stack, traceparent: str, is_taken: bool
) -> None:
    answer = album.http.post("/album/create", json={"album_name": "Summer"}, headers={"traceparent": traceparent})

    event = stack.database["events"].find_one({"subject": answer.json()["album_snapshot"]["id"]})

    assert event is not None
    assert event["envelope"].get("traceparent") == (traceparent if is_taken else None)


def test_a_part_of_a_form_writes_no_header(album: AlbumClient, stack_url: str) -> None:
    album_id = album.create()
    body = form(field("album_id", album_id), file(SMALL, f'a"\r\nX-{FORGED}: yes\r\nContent-Type: text/html'))
    with RawConnection(stack_url) as raw:
        raw.begin(content_length=len(body))
        raw.send(body)
        answer = raw.answer()

    assert f"x-{FORGED}" not in answer.headers
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/album/get", "/album/image/info", "/job/get"])
def test_an_answer_tells_nothing_of_the_inside(idle: AlbumClient, path: str) -> None:
    for body in (
        {"album_id": {"$gt": ""}},
        {"job_id": {"$ne": None}},
        {"album_id": ABSENT, "image_id": {"$regex": ".*"}},
    ):
        text = idle.post(path, **body).text

        assert not [
            word for word in ("Traceback", "pymongo", "motor", "mongodb://", "/site-packages/", "File ") if word in text
        ]
