"""An hour of what users do, and whether anything grows by it: ``python -m benchmarks.soak``.

Private servers, every service, and users that come and go: they make albums, upload all formats, look, listen, send
what is refused, hang up, delete. Memory, open files, connections and queues are sampled; in the last third of the time
their 95th percentiles may be at most `FLAT` times those of the second. Not their medians: RabbitMQ's memory goes up and
down with its write-ahead log twice an hour. MongoDB has a cache that is full within minutes. Writes ``soak.json`` and
``soak.svg``; exits with 1 when something grew, or when a user met what nobody should.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.contenders import Album
from benchmarks.load import mixed_pictures
from benchmarks.private import private_servers
from benchmarks.processes import resident_mebibytes
from benchmarks.report import drawing, percentile
from libs.shared.topology import queue_of
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.raw import RawConnection, field, file_head
from tests.support.stack import Stack
from tests.support.subscribers import waiting

SAMPLE_SECONDS = 10.0
FLAT = 1.05
SPARE = 3.0
"""By how much a count or a size in MiB may differ whatever its ratio: two descriptors are not twice one."""
THIRDS = 3
CACHE_GIGABYTES = 0.25
"""The least that MongoDB takes."""
QUEUES = tuple(queue_of(name) for name in ("decoder", "thumbnailer", "api", "audit", "notifier"))
PANELS = ("memory, MiB", "open files", "connections", "waiting messages")
Series = dict[str, list[float]]


class User(threading.Thread):
    """Somebody with an album at a time, until it is over; what surprises is counted in ``troubles``."""

    def __init__(self, stack: Stack, number: int, pause: float, is_over: threading.Event) -> None:
        super().__init__(daemon=True)
        self._stack, self._pause, self._is_over = stack, pause, is_over
        self._choose = random.Random(number)
        self._pictures = mixed_pictures()
        self._too_wide = picture("JPEG", 1921, 1080)
        self.done: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()

    def run(self) -> None:
        while not self._is_over.is_set():
            with self._stack.client() as client:
                try:
                    self._live(client)
                except (httpx.HTTPError, AssertionError, KeyError) as error:
                    self.troubles[repr(error)[:120]] += 1

    def _live(self, client: AlbumClient) -> None:
        album_id = client.create("soak")
        jobs = [self._upload(client, album_id) for _ in range(self._choose.randint(3, 12))]
        for job in jobs:
            self._look(client, album_id, job["image_id"])
        for act in self._choose.sample((self._refused, self._hung_up, self._listen, self._page), 2):
            act(client, album_id)
            self._rest()
        self._expect(client.post("/album/image/delete", album_id=album_id, image_id=jobs[0]["image_id"]), 200)
        self._expect(client.post("/album/delete", album_id=album_id), 200)
        self.done["albums"] += 1

    def _upload(self, client: AlbumClient, album_id: str) -> Mapping[str, str]:
        job: Mapping[str, str] = client.ready(album_id, self._choose.choice(self._pictures))
        self.done["uploads"] += 1
        self._rest()
        return job

    def _look(self, client: AlbumClient, album_id: str, image_id: str) -> None:
        thumbnail, image = f"/album/thumbnail/{album_id}{image_id}", f"/album/{album_id}/image/{image_id}"
        shown = self._expect(client.http.get(thumbnail), 200)
        self._expect(client.http.get(thumbnail, headers={"if-none-match": shown.headers["etag"]}), 304)
        self._expect(client.http.get(image), 200)
        self._expect(client.http.get(image, headers={"range": "bytes=0-99"}), 206)
        self._expect(client.http.get(image, params={"variant": "original"}), 200)
        self.done["reads"] += 5
        self._rest()

    def _refused(self, client: AlbumClient, album_id: str) -> None:
        self._expect(client.upload(album_id, self._too_wide), 422)
        self._expect(client.upload(album_id, b"no picture at all"), 415)
        self.done["refused"] += 2

    def _hung_up(self, client: AlbumClient, album_id: str) -> None:
        with RawConnection(self._stack.url) as raw:
            raw.begin(content_length=5_000_000)
            raw.send(field("album_id", album_id) + file_head() + self._pictures[0][:50_000])
        self.done["hung up"] += 1

    def _listen(self, client: AlbumClient, album_id: str) -> None:
        with client.http.stream("GET", "/events", params={"album_id": album_id}, timeout=30) as answer:
            assert answer.status_code == 200
            self._upload_beside(album_id)
            next(answer.iter_lines())
        self.done["listened"] += 1

    def _upload_beside(self, album_id: str) -> None:
        with self._stack.client() as another:
            self._upload(another, album_id)

    def _page(self, client: AlbumClient, album_id: str) -> None:
        for path in ("/", "/docs", "/openapi.json", "/metrics"):
            self._expect(client.http.get(path), 200)
        self._expect(client.post("/album/images", album_id=album_id), 200)

    def _expect(self, answer: httpx.Response, status: int) -> httpx.Response:
        assert answer.status_code == status, f"{answer.request.url.path} answered {answer.status_code}"
        return answer

    def _rest(self) -> None:
        self._is_over.wait(self._choose.expovariate(1 / self._pause))


def sample(album: Album) -> dict[str, Mapping[str, float]]:
    """What there is of everything, by panel and name."""
    files: dict[str, float] = {}
    connections: dict[str, float] = {}
    for name, process_id in album.roots.items():
        with suppress(psutil.Error):
            process = psutil.Process(process_id)
            files[name] = process.num_fds()
            connections[name] = len(process.net_connections())
    messages = waiting(album.stack.environment["ALBUM_AMQP_URL"], *QUEUES)
    return dict(zip(PANELS, (resident_mebibytes(album.roots), files, connections, messages), strict=True))


def grown(series: Mapping[str, Series]) -> list[str]:
    """What is not flat, a sentence each."""
    found = []
    for panel, lines in series.items():
        for name, values in lines.items():
            early, late = thirds(values)
            if late > FLAT * early and late - early > SPARE:
                found.append(f"{panel} of {name} grew from {early:.0f} to {late:.0f}")
    return found


def thirds(values: Sequence[float]) -> tuple[float, float]:
    """The 95th percentiles of the second and of the last third."""
    size = max(1, len(values) // THIRDS)
    return percentile(values[-2 * size : -size] or values, 0.95), percentile(values[-size:], 0.95)


def soak(seconds: float, users: int, pause: float, tell: Callable[[str], None]) -> tuple[dict[str, Series], list[User]]:
    """Let users live on a stack of every service; the samples by panel and name, and the users."""
    series: dict[str, Series] = {panel: {} for panel in PANELS}
    is_over = threading.Event()
    with private_servers(CACHE_GIGABYTES) as servers, servers.stack() as stack:
        stack.start("audit")
        stack.start("notifier")
        album = Album(stack, servers)
        crowd = [User(stack, number, pause, is_over) for number in range(users)]
        for user in crowd:
            user.start()
        began = time.monotonic()
        while (now := time.monotonic() - began) < seconds:
            is_over.wait(SAMPLE_SECONDS)
            for panel, values in sample(album).items():
                for name, value in values.items():
                    series[panel].setdefault(name, []).append(value)
            if int(now // 60) != int((time.monotonic() - began) // 60):
                done = sum((user.done for user in crowd), Counter[str]())
                tell(f"{now / 60:3.0f} min: " + ", ".join(f"{count} {what}" for what, count in done.items()))
        is_over.set()
        for user in crowd:
            user.join()
    return series, crowd


def plot(series: Mapping[str, Series], path: Path) -> None:
    """Draw a panel a kind, over minutes."""
    pyplot = drawing()
    figure, panels = pyplot.subplots(len(PANELS), figsize=(9, 12), sharex=True)
    for axes, (panel, lines) in zip(panels, series.items(), strict=True):
        for name, values in lines.items():
            axes.plot([SAMPLE_SECONDS * place / 60 for place in range(len(values))], values, label=name, linewidth=1)
        axes.set_ylabel(panel)
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=6, ncol=2, loc="center left", bbox_to_anchor=(1, 0.5))
    panels[-1].set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    """Soak, print what grew, write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0.3, help="seconds a user rests between two steps, on average")
    parser.add_argument("--directory", type=Path, default=Path("docs/performance"))
    options = parser.parse_args()
    console = Console()
    series, users = soak(60 * options.minutes, options.users, options.pause, console.print)
    done = sum((user.done for user in users), Counter[str]())
    troubles = sum((user.troubles for user in users), Counter[str]())
    table = Table("", *(f"{panel}, second third → last" for panel in PANELS))
    for name in dict.fromkeys(name for lines in series.values() for name in lines):
        cells = [thirds(series[panel][name]) if name in series[panel] else None for panel in PANELS]
        table.add_row(name, *(f"{cell[0]:.0f} → {cell[1]:.0f}" if cell else "" for cell in cells))
    console.print(table)
    options.directory.mkdir(parents=True, exist_ok=True)
    content = {"minutes": options.minutes, "done": done, "troubles": troubles, "sample_seconds": SAMPLE_SECONDS}
    (options.directory / "soak.json").write_text(json.dumps({**content, "series": series}) + "\n")
    plot(series, options.directory / "soak.svg")
    wrong = [*grown(series), *(f"{count} times: {trouble}" for trouble, count in troubles.items())]
    console.print(dict(done), *(wrong or ["nothing grew, and nobody met trouble"]), sep="\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
