"""Every figure beside its yardstick: ``make bench``, or ``python -m benchmarks --quick``.

Starts private servers, Album and the yardsticks on this machine, lets them take turns, prints one table and writes it
as JSON, as a page and as a plot. Absolute figures drift with the machine; the ratios of one run are what counts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from benchmarks import growth, latency, reads, scale_out, throughput, upload_memory
from benchmarks.contenders import Album, tutorial
from benchmarks.options import Options, Tell
from benchmarks.photographs import FORMATS
from benchmarks.private import Servers, private_servers
from benchmarks.report import Row, table, write

QUICK = Options(count=60, rounds=1, requests=60, images=300, catalogued=5_000)
GROUPS = ("throughput", "latency", "reads", "growth", "memory", "scale-out", "transfers")


def main() -> None:
    """Measure, print and write."""
    options, groups = _parse()
    # Where nobody looks at it as it comes, a line is not to be folded.
    console = Console(width=None if sys.stdout.isatty() else 180)
    began = time.monotonic()

    def tell(message: str) -> None:
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        console.print(f"[dim]{minutes:2}:{seconds:02}[/dim]  {message}", highlight=False)

    rows = list(_measure(options, groups, tell))
    console.print(table(rows))
    write(rows, asdict(options), options.directory, console)


def _measure(options: Options, groups: frozenset[str], tell: Tell) -> Iterator[Row]:
    with private_servers() as servers:
        tell("servers are up")
        yield from _with_album(servers, options, groups, tell)
        if "scale-out" in groups:
            yield from scale_out.measure(servers, options, tell)
    if "transfers" in groups:
        yield from _transfers(options, tell)


def _with_album(servers: Servers, options: Options, groups: frozenset[str], tell: Tell) -> Iterator[Row]:
    workers = str(options.workers)
    with servers.stack(ALBUM_DECODER_PROCESSES=workers, ALBUM_THUMBNAILER_PROCESSES=workers) as stack:
        album = Album(stack, servers)
        if "throughput" in groups:
            with tutorial(servers, options.workers) as peer:
                yield from throughput.measure(album, peer, options, tell)
        alone: dict[str, Callable[[Album, Options, Tell], list[Row]]] = {
            "latency": latency.measure,
            "reads": reads.measure_under_load,
            "growth": growth.measure_cost,
            "memory": growth.measure_memory,
        }
        for group, measure in alone.items():
            if group in groups:
                yield from measure(album, options, tell)
        if "reads" in groups:
            yield from reads.measure_hot(servers, album, options, tell)


def _transfers(options: Options, tell: Tell) -> Iterator[Row]:
    for what, peak in upload_memory.measure(options.concurrency).items():
        tell(f"{what} of 50 MiB: API grew by {peak.growth:.1f} MiB")
        yield Row(
            f"{options.concurrency} x 50 MiB at once, {what}: growth of the API",
            peak.growth,
            f"{peak.before:.1f} to {peak.highest:.1f} MiB",
            at_most=64,
            unit="MiB",
        )


def _parse() -> tuple[Options, frozenset[str]]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few minutes: fewer of everything")
    parser.add_argument("--count", type=int, help="JPEGs a run; slower formats get fewer")
    parser.add_argument("--concurrency", type=int, help="uploads at once")
    parser.add_argument("--workers", type=int, help="children of decoder and thumbnailer, processes of yardsticks")
    parser.add_argument("--rounds", type=int, help="turns of each measurement and its yardstick")
    parser.add_argument("--requests", type=int, help="requests of measurements that time single ones")
    parser.add_argument("--images", type=int, help="uploads while memory is watched")
    parser.add_argument("--catalogued", type=int, help="images in the large catalog")
    parser.add_argument("--formats", type=lambda text: tuple(text.upper().split(",")), help=",".join(FORMATS))
    parser.add_argument("--only", choices=GROUPS, action="append", help="this group of measurements; repeatable")
    parser.add_argument("--directory", type=Path, help="where results go: docs/performance")
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    only, is_quick = given.pop("only", GROUPS), given.pop("quick")
    return replace(QUICK if is_quick else Options(), **given), frozenset(only)


if __name__ == "__main__":
    main()
