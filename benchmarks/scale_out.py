"""How much faster a backlog of HEIC files is drained by two decoders than by one."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.connection import Connection
from benchmarks.contenders import Album
from benchmarks.options import Options, Tell
from benchmarks.photographs import photograph
from benchmarks.private import Servers
from benchmarks.report import Row, spread
from tests.support.waiting import eventually

BACKLOG_SHARE = 5
"""HEIC files are about as many times slower to decode than ``count`` is meant for."""
DRAIN_SECONDS = 300.0
DECODED = ["encoded", "ready"]


def measure(servers: Servers, options: Options, tell: Tell) -> list[Row]:
    """One decoder, then two, in turns, each with one child."""
    backlog = max(options.concurrency, options.count // BACKLOG_SHARE)
    rates: dict[int, list[float]] = {1: [], 2: []}
    picture = photograph("HEIF")
    for number in range(1, options.rounds + 1):
        for decoders in rates:
            with servers.stack(decoders=decoders, ALBUM_DECODER_PROCESSES="1") as stack:
                rates[decoders].append(backlog / _drain_seconds(Album(stack, servers), picture, backlog, options))
        tell(f"scale-out, round {number} of {options.rounds}: {spread(rates[1])} and {spread(rates[2])} images/s")
    return [
        Row(
            "HEIC backlog, two decoders to one",
            statistics.median(two / one for one, two in zip(rates[1], rates[2], strict=True)),
            f"{spread(rates[2])} images/s; one decoder {spread(rates[1])}",
            at_least=1.7,
            samples={"one_per_second": rates[1], "two_per_second": rates[2]},
        )
    ]


def _drain_seconds(album: Album, picture: bytes, backlog: int, options: Options) -> float:
    """Hold the decoders still while the backlog is uploaded, then let them go."""
    album_id = album.new_album()
    request = album.upload(album_id, picture)
    decoders = [process for name, process in album.stack.processes.items() if name.startswith("decoder")]
    _upload(album, request, 2 * len(decoders))
    eventually(lambda: _decoded(album, album_id) == 2 * len(decoders), DRAIN_SECONDS, "the decoders are warm")
    for decoder in decoders:
        decoder.pause()
    with ThreadPoolExecutor(options.concurrency) as pool:
        list(pool.map(lambda _: _upload(album, request, 1), range(backlog)))
    for decoder in decoders:
        decoder.resume()
    began = time.perf_counter()
    wanted = backlog + 2 * len(decoders)
    eventually(lambda: _decoded(album, album_id) == wanted, DRAIN_SECONDS, "the backlog is drained")
    return time.perf_counter() - began


def _upload(album: Album, request: bytes, count: int) -> None:
    with Connection(album.url) as connection:
        for _ in range(count):
            assert connection.send(request).status == 202


def _decoded(album: Album, album_id: str) -> int:
    return album.images.count_documents({"album_id": album_id, "state": {"$in": DECODED}})
