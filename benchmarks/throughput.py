"""Images a second end to end, beside the pixel limit and the tutorial build, taking turns."""

from __future__ import annotations

import statistics

from benchmarks.contenders import Album, Tutorial
from benchmarks.options import Options, Tell
from benchmarks.peers import pixels
from benchmarks.photographs import photograph
from benchmarks.report import Row, spread
from benchmarks.uploading import Run, upload_all

LIMIT_SECONDS = 3.0
JPEGS_PER_SECOND = 57.0
"""The pixel limit of JPEGs on two quiet cores: what ``count`` is scaled by."""
GOALS = {"JPEG": (1.9, 0.65)}
OTHERS = (1.2, 0.85)
"""The least ratio to the tutorial build and to the pixel limit."""
RAMP = 4
"""Uploads before the first round, as a multiple of the concurrency, that fill pools and caches."""


def measure(album: Album, peer: Tutorial, options: Options, tell: Tell) -> list[Row]:
    """Two rows a format."""
    rows = []
    for format in options.formats:
        rows += _measure(format, album, peer, options, tell)
    return rows


def _measure(format: str, album: Album, peer: Tutorial, options: Options, tell: Tell) -> list[Row]:
    picture = photograph(format)
    limits: list[float] = []
    ours: list[Run] = []
    theirs: list[Run] = []
    for contender in (album, peer):
        upload_all(contender, picture, RAMP * options.concurrency // 2, options.concurrency)
    for number in range(1, options.rounds + 1):
        limits.append(pixels.images_per_second(picture, options.workers, LIMIT_SECONDS))
        count = max(2 * options.concurrency, round(options.count * limits[0] / JPEGS_PER_SECOND))
        for contender, runs in ((album, ours), (peer, theirs)):
            runs.append(upload_all(contender, picture, count, options.concurrency))
        tell(
            f"{format}, round {number} of {options.rounds}, images/s: pixel limit {limits[-1]:.1f}, "
            f"Album {ours[-1].images_per_second:.1f}, tutorial build {theirs[-1].images_per_second:.1f}"
        )
    return _rows(format, limits, ours, theirs)


def _rows(format: str, limits: list[float], ours: list[Run], theirs: list[Run]) -> list[Row]:
    rates = [run.images_per_second for run in ours]
    peers = [run.images_per_second for run in theirs]
    samples = {
        "images_per_second": rates,
        "tutorial_images_per_second": peers,
        "limit_images_per_second": limits,
        "cpu_milliseconds_per_image": [run.server_milliseconds_per_image for run in ours],
        "tutorial_cpu_milliseconds_per_image": [run.server_milliseconds_per_image for run in theirs],
        "database_requests_per_image": [run.requests_per_image for run in ours],
        "tutorial_database_requests_per_image": [run.requests_per_image for run in theirs],
        **{f"cpu_milliseconds_of_{name}": values for name, values in _by_process(ours).items()},
    }
    to_peer, to_limit = GOALS.get(format, OTHERS)
    told = f"{spread(rates)} images/s"
    return [
        Row(
            f"{format} end to end, to the tutorial build",
            _median_ratio(rates, peers),
            f"{told}; tutorial build {spread(peers)}",
            at_least=to_peer,
            samples=samples,
        ),
        Row(
            f"{format} end to end, to the pixel limit",
            _median_ratio(rates, limits),
            f"{told}; pixel limit {spread(limits)}",
            at_least=to_limit,
        ),
    ]


def _by_process(runs: list[Run]) -> dict[str, list[float]]:
    return {name: [run.cpu_milliseconds_per_image[name] for run in runs] for name in runs[0].cpu}


def _median_ratio(ours: list[float], theirs: list[float]) -> float:
    """Of the rounds' own ratios, since a machine's speed drifts from round to round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
