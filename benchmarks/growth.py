"""What an image and a page cost when the catalog is large: memory over many images, processor time, listings."""

from __future__ import annotations

import statistics
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.connection import Connection, post_json
from benchmarks.contenders import Album
from benchmarks.options import Options, Tell
from benchmarks.photographs import photograph
from benchmarks.processes import cpu_seconds, resident_mebibytes
from benchmarks.report import Row, spread
from benchmarks.uploading import upload_all
from tests.support.waiting import eventually

SMALL_CATALOG = 100
PAGE = 100
BATCH = 1000
IDLE_SHARE = 0.2
"""Of one core, by all processes together: what they use when nobody asks anything of them is below."""
LOOK_SECONDS = 1.0
IDLE_WITHIN_SECONDS = 120.0
STEPS = 10
"""Memory during the last of so many steps is compared with that during the second: after 1,000 of 10,000 images."""


def measure_memory(album: Album, options: Options, tell: Tell) -> list[Row]:
    """Upload many photographs and see whose memory grows."""
    picture = photograph("JPEG")
    count = options.images // STEPS
    steps: list[dict[str, float]] = []
    for number in range(1, STEPS + 1):
        steps.append(_memory_during(album, lambda: upload_all(album, picture, count, options.concurrency)))
        sizes = ", ".join(f"{name} {size:.0f}" for name, size in steps[-1].items())
        tell(f"memory up to {number * count} images, MiB: {sizes}")
    early, late = steps[1], steps[-1]
    growth = {name: late[name] / early[name] for name in late if name in early}
    worst = max(growth, key=lambda name: growth[name])
    told = ", ".join(f"{name} {early[name]:.0f} to {late[name]:.0f}" for name in growth)
    return [
        Row(
            f"resident memory up to {options.images} images to that after {count}",
            growth[worst],
            f"most in {worst}; MiB: {told}",
            at_most=1.05,
            samples={name: [step.get(name, 0.0) for step in steps] for name in late},
        )
    ]


def _memory_during(album: Album, work: Callable[[], object]) -> dict[str, float]:
    """Each process's median while ``work`` goes on: RabbitMQ holds more and more of its write-ahead log, then none."""
    looks: list[dict[str, float]] = []
    is_over = threading.Event()

    def look() -> None:
        while True:
            looks.append(resident_mebibytes(album.roots))
            if is_over.wait(LOOK_SECONDS):
                return

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            work()
        finally:
            is_over.set()
        looking.result()
    return {name: statistics.median(look[name] for look in looks if name in look) for name in looks[-1]}


def measure_cost(album: Album, options: Options, tell: Tell) -> list[Row]:
    """The same uploads with a small and with a large catalog, in turns; in the large one a short and a long album."""
    picture = photograph("JPEG")
    cpu: dict[int, list[float]] = {SMALL_CATALOG: [], options.catalogued: []}
    short: list[float] = []
    long: list[float] = []
    albums: dict[int, list[float]] = {size: [] for size in cpu}
    for number in range(1, options.rounds + 1):
        for size in cpu:
            filler = Filler(album, size)
            eventually(lambda: _is_idle(album), IDLE_WITHIN_SECONDS, "the filling is digested")
            albums[size] += _page_milliseconds(album, options.requests, post_json("/album/list", limit=PAGE))[0]
            if size == options.catalogued:
                beside = Filler(album, PAGE)
                of_short, of_long = _page_milliseconds(
                    album, options.requests, _newest(beside.album_id), _newest(filler.album_id)
                )
                short += of_short
                long += of_long
                beside.remove()
            upload_all(album, picture, options.concurrency, options.concurrency)
            run = upload_all(album, picture, options.count, options.concurrency)
            cpu[size].append(run.server_milliseconds_per_image)
            filler.remove()
        tell(
            f"growth, round {number} of {options.rounds}, CPU ms an image: "
            + ", ".join(f"{values[-1]:.1f} at {size}" for size, values in cpu.items())
        )
    small, large = cpu.values()
    return [
        Row(
            f"CPU an image at {options.catalogued} catalogued images and albums to that at {SMALL_CATALOG}",
            statistics.median(b / a for a, b in zip(small, large, strict=True)),
            f"{spread(large)} ms; {spread(small)} ms",
            at_most=1.05,
            samples={"small_milliseconds": small, "large_milliseconds": large},
        ),
        Row(
            f"a page of {PAGE} of an album of {options.catalogued} to one of {PAGE}",
            statistics.median(long) / statistics.median(short),
            f"{spread(long)} ms; {spread(short)} ms",
            at_most=1.1,
            samples={"short_milliseconds": short, "long_milliseconds": long},
        ),
        Row(
            f"a page of {PAGE} of {options.catalogued} albums to one of {SMALL_CATALOG} albums",
            statistics.median(albums[options.catalogued]) / statistics.median(albums[SMALL_CATALOG]),
            f"{spread(albums[options.catalogued])} ms; {spread(albums[SMALL_CATALOG])} ms",
            at_most=1.1,
            samples={"few_milliseconds": albums[SMALL_CATALOG], "many_milliseconds": albums[options.catalogued]},
        ),
    ]


def _is_idle(album: Album) -> bool:
    """Whether what was filled in is digested: its events have passed the change streams."""
    before = sum(cpu_seconds(album.roots).values())
    threading.Event().wait(LOOK_SECONDS)
    return sum(cpu_seconds(album.roots).values()) - before < IDLE_SHARE * LOOK_SECONDS


def _newest(album_id: str) -> bytes:
    return post_json("/album/images", limit=PAGE, order="newest", album_id=album_id)


def _page_milliseconds(album: Album, count: int, *pages: bytes) -> list[list[float]]:
    """How long each of so many requests took, of each of these pages; they take turns, so what disturbs meets all."""
    taken: list[list[float]] = [[] for _ in pages]
    with Connection(album.url) as connection:
        for _ in range(count):
            for request, milliseconds in zip(pages, taken, strict=True):
                began = time.perf_counter()
                answer = connection.send(request)
                milliseconds.append(1000 * (time.perf_counter() - began))
                body = answer.json()
                assert len(body["images"] if "images" in body else body["albums"]) == PAGE
    return taken


class Filler:
    """An album of so many copies of one real image's records, and beside it as many albums.

    As far as the catalog can tell they are images and albums.
    """

    def __init__(self, album: Album, count: int) -> None:
        self._database = album.images.database
        self.album_id = album.new_album()
        template_id = album.new_album()
        with Connection(album.url) as connection:
            accepted = connection.send(album.upload(template_id, photograph("JPEG", 64, 48))).json()
            connection.send(post_json("/job/get", job_id=accepted["job_id"], wait_seconds=30))
        self._album = self._one("albums", {"_id": template_id})
        self._image: dict[str, Any] = self._one("images", {"_id": accepted["image_id"]})
        self._events = list(self._database["events"].find({"subject": accepted["image_id"]}))
        self._files = list(self._database["fs.files"].find({"metadata.image_id": accepted["image_id"]}))
        self._fill(count)

    def remove(self) -> None:
        """Take them out again."""
        for name in ("images", "events", "fs.files"):
            self._database[name].delete_many({"album_id": self.album_id})
        self._database["albums"].delete_many({"filler": self.album_id})

    def _fill(self, count: int) -> None:
        for start in range(0, count, BATCH):
            ids = [str(uuid.uuid4()) for _ in range(start, min(count, start + BATCH))]
            images = [
                {**self._image, "_id": image_id, "album_id": self.album_id, "order": start + place + 1}
                for place, image_id in enumerate(ids)
            ]
            self._database["images"].insert_many(images)
            self._database["albums"].insert_many(
                {**self._album, "_id": str(uuid.uuid4()), "filler": self.album_id} for _ in ids
            )
            for name, templates, key in (("events", self._events, "subject"), ("fs.files", self._files, "filename")):
                self._database[name].insert_many(
                    {**template, "_id": str(uuid.uuid4()), "album_id": self.album_id, key: image_id}
                    for image_id in ids
                    for template in templates
                )
        counted = {"$set": {"content_count": count, "next_order": count}}
        self._database["albums"].update_one({"_id": self.album_id}, counted)
        # Or the checkpoint that writes all this would be counted with the images that are uploaded next.
        self._database.client.admin.command("fsync")

    def _one(self, collection: str, wanted: dict[str, Any]) -> dict[str, Any]:
        found = self._database[collection].find_one(wanted)
        assert found is not None
        return found
