"""What bad subscribers cost the pipeline: ``python -m benchmarks.bad_subscribers``.

In one run, rounds with and without them take turns: a full queue that refuses every event, one with many unread events,
one consumer that never acks. A round uploads pictures and waits until all are ready. The figure is the median of the
rounds with them by the median of those without, in pictures a second.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.table import Table

from benchmarks.private import private_stack
from tests.support.pictures import picture
from tests.support.stack import Stack
from tests.support.subscribers import bad_subscribers

CLIENTS = 4


def throughput(stack: Stack, content: bytes, uploads: int) -> float:
    """Pictures a second from the first upload to the last that is ready."""
    with stack.client() as client:
        album_id = client.create("bad subscribers")
        began = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            accepted = list(pool.map(lambda _: client.upload(album_id, content), range(uploads)))
        for answer in accepted:
            assert client.settled(answer)["state"] == "ready"
        return uploads / (time.monotonic() - began)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="of each kind")
    parser.add_argument("--uploads", type=int, default=150, help="pictures a round")
    parser.add_argument("--unread", type=int, default=1_000_000, help="events that wait unread")
    options = parser.parse_args()
    content = picture("JPEG", 640, 400)
    without: list[float] = []
    beset: list[float] = []
    with private_stack() as stack:
        throughput(stack, content, options.uploads)
        for _ in range(options.rounds):
            without.append(throughput(stack, content, options.uploads))
            with bad_subscribers(stack.environment["ALBUM_AMQP_URL"], unread=options.unread):
                beset.append(throughput(stack, content, options.uploads))
    table = Table("", "median, pictures/s", "lowest", "highest")
    for name, rounds in (("without", without), ("with bad subscribers", beset)):
        table.add_row(name, *(f"{figure:.1f}" for figure in (statistics.median(rounds), min(rounds), max(rounds))))
    Console().print(table)
    Console().print(f"with / without: {statistics.median(beset) / statistics.median(without):.3f}")


if __name__ == "__main__":
    main()
