"""How long one upload takes on an idle machine, beside its pixel time and one journaled insert."""

from __future__ import annotations

import statistics
import threading
import time

from pymongo.write_concern import WriteConcern

from benchmarks.connection import Connection, post_json
from benchmarks.contenders import Album
from benchmarks.options import Options, Tell
from benchmarks.peers import pixels
from benchmarks.photographs import photograph
from benchmarks.report import Row, percentile, spread

PAUSE_SECONDS = 0.05
WARM_UP = 10


def measure(album: Album, options: Options, tell: Tell) -> list[Row]:
    """Upload one picture after the other; the yardsticks are measured between the uploads."""
    picture = photograph("JPEG")
    album_id = album.new_album()
    request = album.upload(album_id, picture)
    inserts = album.images.database["benchmark"].with_options(write_concern=WriteConcern("majority", j=True))
    ready, accepted, pixel, insert = [], [], [], []
    with Connection(album.url) as connection:
        for _ in range(WARM_UP + options.requests // 2):
            threading.Event().wait(PAUSE_SECONDS)
            began = time.perf_counter()
            answer = connection.send(request)
            answered = time.perf_counter()
            job = post_json("/job/get", job_id=answer.json()["job_id"], wait_seconds=30)
            state = connection.send(job).json()["job"]["state"]
            assert state == "ready", state
            ready.append(1000 * (time.perf_counter() - began))
            accepted.append(1000 * (answered - answer.sent_at))
            pixel.append(1000 * pixels.pixel_seconds(picture))
            began = time.perf_counter()
            inserts.insert_one({"n": 1})
            insert.append(1000 * (time.perf_counter() - began))
    samples = {"ready": ready, "accepted": accepted, "pixel": pixel, "insert": insert}
    ready, accepted, pixel, insert = (values[WARM_UP:] for values in samples.values())
    tell(f"idle: ready after {spread(ready)} ms, 202 after {spread(accepted)} ms, pixel time {spread(pixel)} ms")
    median = statistics.median(ready)
    return [
        Row(
            "idle: first byte to thumbnail ready, to its pixel time",
            median / statistics.median(pixel),
            f"{spread(ready)} ms; pixel time {spread(pixel)} ms",
            at_most=3,
            samples={"ready_milliseconds": ready, "pixel_milliseconds": pixel},
        ),
        Row(
            "idle: the same, p95 to median",
            percentile(ready, 0.95) / median,
            f"p95 {percentile(ready, 0.95):.1f} ms, median {median:.1f} ms",
            at_most=2,
        ),
        Row(
            "idle: last byte to 202",
            statistics.median(accepted),
            f"{spread(accepted)} ms, {statistics.median(accepted) / statistics.median(insert):.1f} x one journaled "
            f"insert of {spread(insert)} ms",
            at_most=10,
            unit="ms",
            samples={"accepted_milliseconds": accepted, "insert_milliseconds": insert},
        ),
    ]
