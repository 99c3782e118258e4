"""The pixel limit: how fast it could go if nothing but the pictures' own work cost anything.

For each image one full decode that proves it sound, a JPEG of it where browsers cannot show its format, and a
thumbnail of 320 pixels from what was stored, as any straightforward program would do it.
"""

from __future__ import annotations

import io
import multiprocessing
import time
from multiprocessing.connection import Connection

import pillow_heif
from PIL import Image, ImageOps

SHOWN_AS_THEY_ARE = {"JPEG", "PNG", "WEBP"}


def images_per_second(data: bytes, processes: int, seconds: float) -> float:
    """How many images of these bytes so many processes work off in a second."""
    context = multiprocessing.get_context("spawn")
    pipes, workers = [], []
    for _ in range(processes):
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(data, seconds, theirs), daemon=True)
        worker.start()
        pipes.append(ours)
        workers.append(worker)
    for pipe in pipes:
        pipe.recv()  # warmed up
    for pipe in pipes:
        pipe.send(None)
    rates: list[float] = [pipe.recv() for pipe in pipes]
    for worker in workers:
        worker.join()
    return sum(rates)


def pixel_seconds(data: bytes) -> float:
    """How long the work of one image takes while nothing else is asked of the machine."""
    prepare()
    treat(data)
    started = time.perf_counter()
    treat(data)
    return time.perf_counter() - started


def prepare() -> None:
    """Teach Pillow to read HEIF, the picture alone and in one thread."""
    pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)


def treat(data: bytes) -> None:
    """The work of one image."""
    image = Image.open(io.BytesIO(data))
    format = image.format
    image.load()
    if format not in SHOWN_AS_THEY_ARE:
        encoded = io.BytesIO()
        ImageOps.exif_transpose(image).convert("RGB").save(encoded, "JPEG", quality=90)
        data = encoded.getvalue()
    thumbnail = Image.open(io.BytesIO(data))
    thumbnail.thumbnail((320, 320), Image.Resampling.LANCZOS, reducing_gap=2.0)
    thumbnail.save(io.BytesIO(), "WEBP", quality=75)


def _work(data: bytes, seconds: float, pipe: Connection) -> None:
    prepare()
    treat(data)
    pipe.send(None)
    pipe.recv()
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        treat(data)
        done += 1
    pipe.send(done / (time.perf_counter() - started))
