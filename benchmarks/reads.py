"""Reading thumbnails: while uploads flood in, and as fast as the server can."""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe

from benchmarks.connection import READ_BYTES, Connection, get, post_json
from benchmarks.contenders import Album, running_app
from benchmarks.options import Options, Tell
from benchmarks.photographs import photograph
from benchmarks.private import Servers
from benchmarks.report import Row, percentile, spread
from benchmarks.uploading import upload_all

PAUSE_SECONDS = 0.01
HOT_SECONDS = 3.0


def ready_thumbnail(album: Album) -> str:
    """The address of a thumbnail that is there."""
    album_id = album.new_album()
    with Connection(album.url) as connection:
        accepted = connection.send(album.upload(album_id, photograph("JPEG"))).json()
        connection.send(post_json("/job/get", job_id=accepted["job_id"], wait_seconds=30))
    return f"/album/thumbnail/{accepted['thumbnail_id']}"


def measure_under_load(album: Album, options: Options, tell: Tell) -> list[Row]:
    """A reader alone, then beside uploads, in turns."""
    address, picture = ready_thumbnail(album), photograph("JPEG")
    idle: list[float] = []
    loaded: list[float] = []
    for number in range(1, options.rounds + 1):
        idle += read_beside(album.url, address, options.requests)
        loaded += read_beside(
            album.url, address, 1, lambda: upload_all(album, picture, options.count, options.concurrency)
        )
        tell(
            f"reads, round {number} of {options.rounds}: p95 idle {percentile(idle, 0.95):.1f} ms, "
            f"under load {percentile(loaded, 0.95):.1f} ms"
        )
    return [
        Row(
            f"GET thumbnail while {options.concurrency} uploads run, p95 to idle p95",
            percentile(loaded, 0.95) / percentile(idle, 0.95),
            f"p95 {percentile(loaded, 0.95):.1f} ms, idle {percentile(idle, 0.95):.1f} ms; medians "
            f"{statistics.median(loaded):.1f} and {statistics.median(idle):.1f} ms",
            at_most=4,
            samples={"loaded_milliseconds": loaded, "idle_milliseconds": idle},
        )
    ]


def read_beside(
    url: str,
    address: str,
    least: int,
    work: Callable[[], object] = lambda: None,
    pause_seconds: float = PAUSE_SECONDS,
) -> list[float]:
    """The milliseconds of each read while ``work`` goes on, of ``least`` reads at least.

    From a process of its own, or threads that upload or besiege would take the interpreter from the reader.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    reader = context.Process(target=_read, args=(url, address, least, pause_seconds, theirs), daemon=True)
    reader.start()
    theirs.close()  # so that a reader that fails is heard of
    ours.recv()
    work()
    ours.send(None)
    taken: list[float] = ours.recv()
    reader.join()
    return taken


def _read(url: str, address: str, least: int, pause_seconds: float, pipe: Pipe) -> None:
    request = get(address)
    taken: list[float] = []
    with Connection(url) as connection:
        pipe.send(None)
        while len(taken) < least or not pipe.poll():
            time.sleep(pause_seconds)
            began = time.perf_counter()
            answer = connection.send(request)
            taken.append(1000 * (time.perf_counter() - began))
            assert answer.status == 200, answer.body
    pipe.send(taken)


def measure_hot(servers: Servers, album: Album, options: Options, tell: Tell) -> list[Row]:
    """Thumbnail and 304 as fast as they come, beside a route that has the same bytes in memory."""
    address = ready_thumbnail(album)
    with Connection(album.url) as connection:
        content = connection.send(get(address)).body
    etag = _etag(album, address)
    file = servers.directory / "thumbnail.webp"
    file.write_bytes(content)
    rows = []
    with running_app(servers, "benchmarks.peers.bare:app", BARE_FILE=str(file)) as (_, url):
        for what, ours, bare in (
            ("GET thumbnail, hot", get(address), get("/thumbnail")),
            ("304, hot", get(address, if_none_match=etag), get("/thumbnail", if_none_match='"bare"')),
        ):
            rates: list[float] = []
            bares: list[float] = []
            for _ in range(options.rounds):
                rates.append(hammer(album.url, ours, options.concurrency, HOT_SECONDS))
                bares.append(hammer(url, bare, options.concurrency, HOT_SECONDS))
            tell(f"{what}: {spread(rates, 0)} a second, bare route {spread(bares, 0)}")
            rows.append(
                Row(
                    f"{what}, to a bare Starlette route",
                    statistics.median(a / b for a, b in zip(rates, bares, strict=True)),
                    f"{spread(rates, 0)} a second; bare {spread(bares, 0)}",
                    at_least=0.5,
                    samples={"per_second": rates, "bare_per_second": bares},
                )
            )
    return rows


def _etag(album: Album, address: str) -> str:
    with album.stack.client() as client:
        return client.http.head(address).headers["etag"]


def hammer(url: str, request: bytes, connections: int, seconds: float) -> float:
    """Answers a second when so many connections ask again as soon as they are answered."""
    with Connection(url) as first, selectors.DefaultSelector() as ready:
        length = first.send(request).length
        sockets = [first.another() for _ in range(connections)]
        missing: dict[socket.socket, int] = {}
        for each in sockets:
            ready.register(each, selectors.EVENT_READ)
            missing[each] = length
            each.sendall(request)
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            for key, _ in ready.select():
                one = key.fileobj
                assert isinstance(one, socket.socket)
                missing[one] -= len(one.recv(READ_BYTES))
                if missing[one] <= 0:
                    assert missing[one] == 0, "an answer of another length"
                    done += 1
                    missing[one] = length
                    one.sendall(request)
        rate = done / (time.perf_counter() - began)
        for each in sockets:
            with suppress(OSError):
                each.close()
    return rate
