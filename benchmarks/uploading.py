"""Uploads by several clients at once, until the last thumbnail is there: images and processor time a second."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.connection import Connection
from benchmarks.contenders import Contender, count_ready
from benchmarks.processes import cpu_seconds
from tests.support.waiting import eventually

STALL_SECONDS = 300.0


@dataclass(frozen=True)
class Run:
    """What one run of uploads came to.

    Attributes:
        images: how many.
        seconds: from the first byte of the first upload to the last thumbnail.
        cpu: processor seconds by process, the client's among them.
        requests: that the database received meanwhile.
    """

    images: int
    seconds: float
    cpu: dict[str, float]
    requests: int

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds

    @property
    def cpu_milliseconds_per_image(self) -> dict[str, float]:
        return {name: 1000 * seconds / self.images for name, seconds in self.cpu.items()}

    @property
    def server_milliseconds_per_image(self) -> float:
        """Processor time of everything but the client."""
        return sum(spent for name, spent in self.cpu_milliseconds_per_image.items() if name != "client")

    @property
    def requests_per_image(self) -> float:
        return self.requests / self.images


def upload_all(contender: Contender, picture: bytes, count: int, concurrency: int) -> Run:
    """Upload one picture ``count`` times into a new album, and wait until all are ready."""
    album_id = contender.new_album()
    request = contender.upload(album_id, picture)
    left = iter(range(count))
    turn = threading.Lock()

    def upload_on() -> None:
        with Connection(contender.url) as connection:
            while True:
                with turn:
                    if next(left, None) is None:
                        return
                answer = connection.send(request)
                assert answer.status in (200, 202), answer.body

    requests = _database_requests(contender)
    before, client_before = cpu_seconds(contender.roots), time.process_time()
    started = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        for client in [pool.submit(upload_on) for _ in range(concurrency)]:
            client.result()
    eventually(
        lambda: count_ready(contender, album_id) >= count, STALL_SECONDS, f"{contender.name} has made all thumbnails"
    )
    seconds = time.perf_counter() - started
    after = cpu_seconds(contender.roots)
    spent = {name: after[name] - before[name] for name in before}
    spent["client"] = time.process_time() - client_before
    return Run(count, seconds, spent, _database_requests(contender) - requests)


def _database_requests(contender: Contender) -> int:
    status = contender.images.database.command("serverStatus")
    return int(status["network"]["numRequests"])
