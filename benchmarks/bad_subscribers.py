"""What bad subscribers cost the pipeline: ``python -m benchmarks.bad_subscribers``.

Each of them is there from the beginning and gets the events in its own rounds, which take turns with rounds without
any: a full queue that refuses every event, a queue with many unread events, a consumer that never acks. A round uploads
pictures and waits until all are ready. The figure is the median, over the turns, of a round's pictures a second by
those of the rounds without before and after it, since machines drift.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.table import Table

from benchmarks.photographs import photograph
from benchmarks.private import private_stack
from tests.support.stack import Stack
from tests.support.subscribers import BAD, bad_subscribers, listening

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
    content = photograph("JPEG")
    kinds = {**{name: (name,) for name in BAD}, "all": BAD}
    rounds: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    with private_stack() as stack:
        url = stack.environment["ALBUM_AMQP_URL"]
        with bad_subscribers(url, unread=options.unread):
            throughput(stack, content, options.uploads)
            usual = throughput(stack, content, options.uploads)
            for _ in range(options.rounds):
                for kind, names in kinds.items():
                    with listening(url, *names):
                        beset = throughput(stack, content, options.uploads)
                    before, usual = usual, throughput(stack, content, options.uploads)
                    rounds[kind].append((beset, 2 * beset / (before + usual)))
    table = Table("bad subscribers", "median, pictures/s", "of none, median", "lowest", "highest")
    for kind, turns in rounds.items():
        rates, ratios = zip(*turns, strict=True)
        shares = (statistics.median(ratios), min(ratios), max(ratios))
        table.add_row(kind, f"{statistics.median(rates):.1f}", *(f"{share:.3f}" for share in shares))
    Console().print(table)


if __name__ == "__main__":
    main()
