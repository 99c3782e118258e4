"""Feeds mutated pictures to the decode pool and sees whether every one ends with a code: ``make fuzz``.

    python -m benchmarks.fuzz_decode --count 20000 [--corpus DIRECTORY] [--seed N] [--keep DIRECTORY]

Without a corpus it mutates pictures that it draws itself. Exits with 1 if the pool itself failed, a call outlived its
deadlines, an output held metadata, or memory grew.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import anyio
import psutil

from libs.shared.errors import Rejection
from libs.shared.imaging import probe
from services.decoder.settings import DecoderSettings
from tests.support.decoding import Stages, stages
from tests.support.memory_blobs import MemoryBlobStore
from tests.support.pictures import FORMATS, picture
from tests.support.traces import odd_parts

DEADLINE_SECONDS = 5.0
MOST_GROWTH_BYTES = 64 << 20
_TELLING_NUMBERS = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\x01",
)


@dataclass
class Tally:
    """What became of the files."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0


def mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """One of the seeds after one to eight small accidents."""
    content = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 8)):
        # Half of all accidents happen where the structure is.
        place = (
            chance.randrange(min(len(content), 800) if chance.random() < 0.5 else len(content) or 1) if content else 0
        )
        match chance.randrange(7):
            case 0:
                content[place : place + 1] = bytes((chance.randrange(256),))
            case 1:
                number = chance.choice(_TELLING_NUMBERS)
                content[place : place + len(number)] = number
            case 2:
                del content[place : place + chance.randint(1, 64)]
            case 3:
                content[place:place] = content[place : place + chance.randint(1, 64)]
            case 4:
                other = chance.choice(seeds)
                start = chance.randrange(len(other))
                content[place : place + 64] = other[start : start + 64]
            case 5:
                content[place : place + 1] = bytes((content[place] ^ 1 << chance.randrange(8),)) if content else b""
            case _:
                if chance.random() < 0.2:
                    del content[place:]
    return bytes(content)


async def feed(both: Stages, source: random.Random, seeds: list[bytes], count: int, tally: Tally, keep: Path) -> None:
    """Take ``count`` mutants through probing, decoding and shrinking."""
    blobs = MemoryBlobStore()
    both = Stages(blobs, replace(both.decoder, blobs=blobs), replace(both.thumbnailer, blobs=blobs))
    for _ in range(count):
        content = mutated(source, seeds)
        begun = time.monotonic()
        fault = ""
        try:
            header = probe(content)
            event = await both.encode(content)
            await both.shrink(event)
            outcome = f"ready {event.format}"
            fault = ", ".join(odd_parts(blobs.blobs[event.encoded.blob_id]))
            if header.width is not None and {header.width, header.height} != {event.width, event.height}:
                fault = f"probed {header.width}x{header.height}, decoded {event.width}x{event.height}"
        except Rejection as rejection:
            outcome = rejection.code
        seconds = time.monotonic() - begun
        blobs.blobs.clear()
        tally.outcomes[outcome] += 1
        tally.slowest_seconds = max(tally.slowest_seconds, seconds)
        if fault or outcome == "decoder-crashed" or seconds > 3 * DEADLINE_SECONDS:
            tally.faults.append(fault or f"{outcome} after {seconds:.1f} s")
            (keep / f"{len(tally.faults)}-{outcome.replace(' ', '-')}").write_bytes(content)


async def run(arguments: argparse.Namespace) -> int:
    """Do it all and print what happened."""
    seeds = [picture(format, frames=1 if format in ("JPEG", "HEIF") else 2) for format in FORMATS]
    seeds += [picture(format, mode="RGBA") for format in ("PNG", "WEBP", "HEIF", "AVIF")]
    seeds += [picture("JPEG", progressive=True), picture("JPEG", mode="CMYK"), picture("PNG", mode="P")]
    if arguments.corpus:
        files = [path for path in sorted(arguments.corpus.rglob("*")) if path.is_file()]
        seeds += [
            content for path in files if 0 < len(content := path.read_bytes()) <= 200_000 and probe(content).format
        ]
    settings = DecoderSettings(processes=arguments.processes, deadline_seconds=DEADLINE_SECONDS)
    chance, tally, process = random.Random(arguments.seed), Tally(), psutil.Process()
    arguments.keep.mkdir(parents=True, exist_ok=True)
    async with stages(settings) as both:
        share = max(1, arguments.count // 10 // (2 * arguments.processes))
        sizes = []
        begun = time.monotonic()
        for _ in range(10):
            async with anyio.create_task_group() as group:
                for _ in range(2 * arguments.processes):
                    source = random.Random(chance.random())
                    group.start_soon(feed, both, source, seeds, share, tally, arguments.keep)
            sizes.append(process.memory_info().rss)
            print(f"{tally.outcomes.total():7d} files, {sizes[-1] >> 20} MiB resident", flush=True)
        seconds = time.monotonic() - begun
    for outcome, number in tally.outcomes.most_common():
        print(f"{number:7d} {outcome}")
    print(f"{tally.outcomes.total() / seconds:.0f} files/s, the slowest took {tally.slowest_seconds:.1f} s")
    growth = sizes[-1] - sizes[0]
    if growth > MOST_GROWTH_BYTES:
        tally.faults.append(f"memory grew by {growth >> 20} MiB")
    print("\n".join(tally.faults) or "no faults")
    return 1 if tally.faults else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="where files that found a fault go")
    sys.exit(anyio.run(partial(run, parser.parse_args())))


if __name__ == "__main__":
    main()
