"""How much of everything a run of all benchmarks does, and how it tells about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.photographs import FORMATS

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What to measure with.

    Attributes:
        count: JPEGs of one run; of slower formats as many as the pixel limit does in the same time.
        concurrency: uploads at once.
        formats: which ones.
        workers: children of decoder and thumbnailer each, and processes of each yardstick.
        rounds: how often each measurement and its yardstick take turns.
        requests: of measurements that time single requests.
        images: uploads while resident memory is watched.
        catalogued: images in the catalog when cost growth is measured.
        directory: where results are written.
    """

    count: int = 200
    concurrency: int = 16
    formats: tuple[str, ...] = FORMATS
    workers: int = 2
    rounds: int = 3
    requests: int = 200
    images: int = 10_000
    catalogued: int = 20_000
    directory: Path = Path("docs/performance")
