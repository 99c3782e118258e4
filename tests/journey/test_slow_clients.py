"""Clients that keep a server waiting: each is given up in its time, and others do not notice.

`benchmarks/slow_clients.py` does the same with thousands of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from random import Random

import pytest

from services.api.bodies import BODY_SECONDS
from services.api.connections import HEAD_BYTES, HEAD_SECONDS, MOST_PIPELINED
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.raw import RawConnection, file_head
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

MANY = 60
LATE_SECONDS = 30.0
"""How much later than promised a machine may be that has much else to do; nothing else ends these connections."""
UNNOTICED_SECONDS = 2.0
"""Far less than anybody takes who waits for one of these clients, and far more than a busy machine takes to answer."""


@dataclass
class Besieged:
    """What happened to clients that keep a server waiting: after how many seconds each kind was hung up on."""

    ended: dict[str, list[float]] = field(default_factory=dict)
    reads: list[float] = field(default_factory=list)


def is_closed(raw: RawConnection) -> bool:
    """Whether the server has hung up; whatever it said before is read."""
    raw.socket.setblocking(False)
    try:
        while raw.socket.recv(4096):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def trickle(raw: RawConnection, content: bytes) -> None:
    try:
        raw.socket.setblocking(False)
        raw.send(content)
    except OSError:
        pass  # it has been hung up on


SILENT, SLOW_HEAD, SLOW_SECOND_HEAD, SLOW_BODY = "silent", "slow head", "slow second head", "slow body"


def begin(kind: str, raw: RawConnection) -> None:
    if kind == SLOW_HEAD:
        raw.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n")
    elif kind == SLOW_SECOND_HEAD:
        raw.begin("GET", "/livez")
        assert raw.answer().status_code == 200
        raw.send(b"GET /livez HTTP/1.1\r\n")
    elif kind == SLOW_BODY:
        raw.begin("POST", "/album/list", content_type="application/json", content_length=50_000)


@pytest.fixture(scope="module")
def besieged(_stacks: StartStack) -> Iterator[Besieged]:
    """A server to which many clients of each kind say next to nothing, while another one reads."""
    stack = _stacks(decoders=0, thumbnailers=0)
    found = Besieged()
    kinds = (SILENT, SLOW_HEAD, SLOW_SECOND_HEAD, SLOW_BODY)
    started = time.monotonic()
    waiting = {kind: [RawConnection(stack.url) for _ in range(MANY)] for kind in kinds}
    for kind, raws in waiting.items():
        for raw in raws:
            begin(kind, raw)

    def all_are_gone() -> bool:
        for kind, raws in waiting.items():
            for raw in [raw for raw in raws if is_closed(raw)]:
                found.ended.setdefault(kind, []).append(time.monotonic() - started)
                raws.remove(raw)
                raw.socket.close()
            for raw in raws if kind != SILENT else ():
                trickle(raw, b"X" if kind != SLOW_BODY else b" ")
        asked = time.monotonic()
        assert reader.post("/album/list").status_code == 200
        found.reads.append(time.monotonic() - asked)
        return not any(waiting.values())

    with stack.client() as reader:
        eventually(all_are_gone, HEAD_SECONDS + BODY_SECONDS + LATE_SECONDS, "all are hung up on")
    yield found
    stack.stop()


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [(SILENT, HEAD_SECONDS), (SLOW_HEAD, HEAD_SECONDS), (SLOW_SECOND_HEAD, HEAD_SECONDS), (SLOW_BODY, BODY_SECONDS)],
)
def test_a_client_that_says_too_little_is_hung_up_on_in_time(besieged: Besieged, kind: str, seconds: float) -> None:
    assert len(besieged.ended[kind]) == MANY
    assert min(besieged.ended[kind]) > seconds - 1
    assert max(besieged.ended[kind]) < seconds + LATE_SECONDS


def test_others_are_answered_meanwhile(besieged: Besieged) -> None:
    assert len(besieged.reads) > 5
    assert statistics.median(besieged.reads) < UNNOTICED_SECONDS


def test_idle_connections_make_room_for_new_ones(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_MAX_CONNECTIONS="20")
    with ExitStack() as opened:
        silent = [opened.enter_context(RawConnection(stack.url)) for _ in range(50)]
        # Those that have had an answer are given much longer than a first head may take, so that even on a machine that
        # stands still for a while only the lack of room ends them.
        answered = [opened.enter_context(answered_once(stack)) for _ in range(50)]
        with stack.client() as album:
            for _ in range(5):
                answers(album)

        assert is_closed(silent[0])
        assert is_closed(answered[0])
        assert not is_closed(answered[-1])


def answered_once(stack: Stack) -> RawConnection:
    """A connection that waits for its second request."""
    raw = RawConnection(stack.url)
    raw.begin("GET", "/livez")
    assert raw.answer().status_code == 200
    return raw


def test_a_head_without_end_is_refused(stack: Stack) -> None:
    with RawConnection(stack.url) as raw:
        raw.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Endless: ")
        raw.pour((b"x" * 16_384 for _ in range(100)), stall_seconds=5)
        answer = raw.answer()

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
    assert str(HEAD_BYTES) in answer.json()["message"]


@pytest.mark.parametrize(
    "head",
    [b"GET /" + b"a" * 200_000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 40_000, b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 300],
    ids=["address", "many", "short"],
)
def test_a_long_address_and_many_headers_are_refused(stack: Stack, head: bytes) -> None:
    with RawConnection(stack.url) as raw:
        raw.pour([head], stall_seconds=5)

        assert raw.answer().status_code == 400


LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_some_requests_may_be_sent_ahead_of_answers(stack: Stack) -> None:
    with RawConnection(stack.url) as raw:
        raw.send(LIVEZ * MOST_PIPELINED + LIVEZ.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answered = read_on(raw)

    assert answered.count(b"HTTP/1.1 200 OK") == MOST_PIPELINED + 1


def test_thousands_of_requests_may_not(stack: Stack) -> None:
    with RawConnection(stack.url) as raw:
        raw.send(LIVEZ * 2_000)
        answered = read_on(raw)

    assert answered.count(b"HTTP/1.1 200 OK") <= MOST_PIPELINED + 1


def test_leaving_while_a_request_waits_is_no_bug(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    for _ in range(5):
        with RawConnection(stack.url) as raw:
            raw.begin("GET", "/docs/assets/swagger-ui-bundle.js")
            raw.send(LIVEZ)
            assert raw.socket.recv(1_000)

    with stack.client() as album:
        answers(album)
    assert "Traceback" not in stack.log("api-0")


def read_on(raw: RawConnection) -> bytes:
    """All that the server says until it hangs up."""
    said = bytearray()
    with suppress(ConnectionError):
        while piece := raw.socket.recv(65_536):
            said += piece
    return bytes(said)


CHUNKED = b"POST /album/list HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("begun", "more"),
    [(b"0\r\nX-Endless: ", b"x" * 16_384), (b"0\r\n", b"a: b\r\n" * 3_000), (b"1;endless=", b"x" * 16_384)],
    ids=["trailer", "trailers", "extension"],
)
def test_what_is_no_body_has_an_end(stack: Stack, begun: bytes, more: bytes) -> None:
    pieces = [more] * 1_000
    with RawConnection(stack.url) as raw:
        raw.send(CHUNKED + b"\r\n" + begun)

        assert raw.pour(pieces, stall_seconds=5) < 1_000 * len(more)


def test_trailers_are_no_headers(stack: Stack) -> None:
    with RawConnection(stack.url) as raw:
        raw.send(CHUNKED + b"\r\n2\r\n{}\r\n0\r\nContent-Type: text/plain\r\n\r\n")
        without_type = raw.answer()
        raw.send(CHUNKED + b"\r\n2\r\n{}\r\n0\r\nContent-Type: application/json\r\n\r\n")
        told_too_late = raw.answer()

    assert told_too_late.status_code == without_type.status_code == 422


def test_an_upload_that_only_trickles_is_given_up(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_UPLOAD_IDLE_SECONDS="2")
    with stack.client() as album, RawConnection(stack.url) as raw:
        raw.begin(content_length=1_000_000)
        raw.send(file_head() + picture("JPEG", 640, 480)[:600])

        def is_over() -> bool:
            trickle(raw, b"x")
            return "album_uploads_in_flight 0.0" in album.http.get("/metrics").text

        eventually(lambda: "album_uploads_in_flight 1.0" in album.http.get("/metrics").text, what="it is under way")
        eventually(is_over, 10, "it is given up")


MALFORMED: tuple[Callable[[Random], bytes], ...] = (
    lambda random: random.randbytes(200),
    lambda random: b"GET / HTTP/1.1\r\n" + random.randbytes(50) + b"\r\n\r\n",
    lambda random: b"GET /%zz\x00\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    lambda random: b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    lambda random: b"POST /album/list HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    lambda random: b"POST /album/list HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
    lambda random: b"POST /album/list HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    lambda random: (
        b"POST /album/list HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x\r\nContent-Length: 2\r\n\r\n{}"
    ),
    lambda random: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    lambda random: b"GET / HTTP/9.9\r\n\r\n",
    lambda random: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    lambda random: b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x85",
)


def test_what_is_no_http_is_no_bug(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    random = Random(8)
    for number in range(400):
        with RawConnection(stack.url, timeout_seconds=5) as raw:
            raw.send(MALFORMED[number % len(MALFORMED)](random))

    with stack.client() as album:
        answers(album)
    assert "Traceback" not in stack.log("api-0")
    assert "bug" not in stack.log("api-0")


def answers(album: AlbumClient) -> None:
    assert album.post("/album/list").status_code == 200
