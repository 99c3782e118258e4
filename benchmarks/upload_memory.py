"""How much memory the API needs for large uploads and downloads at once: ``python -m benchmarks.upload_memory``.

Sixteen files of 50 MiB are uploaded at the same time and downloaded again, twice, while the API's resident memory is
sampled. The files are valid JPEGs of 1920x1080 whose metadata fills them up to the limit.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.private import private_stack
from benchmarks.processes import MEBIBYTE
from tests.support.pictures import picture
from tests.support.stack import Stack

LIMIT = 50 * MEBIBYTE
SAMPLE_SECONDS = 0.05


def largest_jpeg() -> bytes:
    """A 1920x1080 JPEG of exactly 50 MiB, padded with comment segments (ITU-T T.81, B.2.4.5) after its header."""
    drawn = picture("JPEG", width=1920, height=1080)
    frame = drawn.index(b"\xff\xc0")
    gap = LIMIT - len(drawn)
    segments = bytearray()
    while gap > 0:
        size = min(gap, 65_537)
        if 0 < gap - size < 4:
            size -= 4
        segments += b"\xff\xfe" + (size - 2).to_bytes(2, "big") + b"\0" * (size - 4)
        gap -= size
    end = drawn.index(b"\xff\xda", frame)
    return drawn[:end] + bytes(segments) + drawn[end:]


@dataclass
class Peak:
    """Resident memory in MiB: before, and the highest while sampled."""

    before: float
    highest: float = 0.0

    @property
    def growth(self) -> float:
        return self.highest - self.before


@contextmanager
def sampled(process: psutil.Process) -> Iterator[Peak]:
    """Sample a process's resident memory while the block runs."""
    peak = Peak(process.memory_info().rss / MEBIBYTE)
    done = threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLE_SECONDS):
            peak.highest = max(peak.highest, process.memory_info().rss / MEBIBYTE)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def upload(stack: Stack, album_id: str, content: bytes) -> str:
    """Upload one file; its image id."""
    answer = httpx.post(
        f"{stack.url}/album/image/upload",
        data={"album_id": album_id},
        files={"image": ("large.jpg", content)},
        timeout=600,
    )
    answer.raise_for_status()
    image_id: str = answer.json()["image_id"]
    return image_id


def download(stack: Stack, album_id: str, image_id: str) -> int:
    """Download one original; its length."""
    url = f"{stack.url}/album/{album_id}/image/{image_id}?variant=original"
    with httpx.stream("GET", url, timeout=600) as answer:
        answer.raise_for_status()
        return sum(len(piece) for piece in answer.iter_raw())


def measure(transfers: int) -> dict[str, Peak]:
    """The API's memory over two rounds of uploads and downloads, each of ``transfers`` at once."""
    content = largest_jpeg()
    peaks = {}
    # Only the API is looked at, so the stages are left out and the uploads stay queued.
    with private_stack(decoders=0, thumbnailers=0) as stack, stack.client() as client:
        process = psutil.Process(stack.processes["api-0"].pid)
        album_id = client.create("memory")
        upload(stack, album_id, picture("JPEG", width=64, height=64))
        with ThreadPoolExecutor(transfers) as pool:
            for round_number in (1, 2):
                with sampled(process) as peaks[f"uploads, round {round_number}"]:
                    ids = list(pool.map(lambda _: upload(stack, album_id, content), range(transfers)))
                with sampled(process) as peaks[f"downloads, round {round_number}"]:
                    lengths = set(pool.map(lambda image_id: download(stack, album_id, image_id), ids))
                assert lengths == {LIMIT}, lengths
    return peaks


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transfers", type=int, default=16, help="uploads, and then downloads, at once")
    transfers = parser.parse_args().transfers
    table = Table("what", "before, MiB", "highest, MiB", "growth, MiB", title=f"{transfers} x 50 MiB at once")
    for what, peak in measure(transfers).items():
        table.add_row(what, *(f"{n:.1f}" for n in (peak.before, peak.highest, peak.growth)))
    Console().print(table)


if __name__ == "__main__":
    main()
