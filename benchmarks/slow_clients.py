"""Reads of one client while others keep the server waiting: ``python -m benchmarks.slow_clients``.

Idle connections, Slowloris (heads that trickle), small malformed requests, and clients that ask for pictures and do not
read them; for each the latency of reads beside it, against that of the same reads alone, and what is left behind. The
reads come from a process of their own, which the sieges do not take the interpreter from.
"""

from __future__ import annotations

import argparse
import random
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psutil

from benchmarks.contenders import running_app
from benchmarks.private import private_servers
from benchmarks.reads import read_beside
from benchmarks.report import percentile
from services.api.connections import UNHEARD_SECONDS
from tests.support.pictures import picture
from tests.support.raw import RawConnection
from tests.support.stack import Stack
from tests.support.waiting import eventually

READS = 600
TRICKLE_SECONDS = 1.0


def main() -> None:
    """Lay each siege in turn and print a line about it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000, help="clients that keep the server waiting")
    parser.add_argument("--malformed", type=int, default=10_000, help="malformed requests")
    options = parser.parse_args()
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    with private_servers() as servers, servers.stack() as stack:
        with stack.client() as album:
            album_id = album.create()
            image_id = album.ready(album_id, picture("JPEG", 1920, 1080, quality=95))["image_id"]
        path = f"/album/{album_id}/image/{image_id}"

        def measure() -> list[float]:
            return read_beside(stack.url, path, READS, pause_seconds=0)

        measure()  # warm
        alone = measure()
        tell("alone", alone, alone, stack)
        for name, siege in {"idle": idle, "slowloris": slowloris, "not reading": not_reading}.items():
            with contextmanager(siege)(stack, options.clients, path):
                tell(f"{options.clients} {name}", measure(), alone, stack)
            eventually(lambda: connections(stack) < 10, 2 * UNHEARD_SECONDS, f"{name} connections are gone")
        with malformed(stack.url, options.malformed):
            tell(f"{options.malformed} malformed", measure(), alone, stack)
        another = running_app(servers, "benchmarks.peers.bare:app", BARE_FILE=__file__)
        with another as (_, url), malformed(url, options.malformed):
            tell("as many elsewhere", measure(), alone, stack)
        tell("alone again", measure(), alone, stack)


def idle(stack: Stack, count: int, path: str) -> Iterator[None]:
    """Connections on which nothing is said, made anew when they are closed."""
    with kept_open(stack, count, lambda raw: None, lambda raw: None):
        yield


def slowloris(stack: Stack, count: int, path: str) -> Iterator[None]:
    """Heads of which a byte comes a second."""
    with kept_open(
        stack, count, lambda raw: raw.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n"), lambda raw: raw.send(b"x")
    ):
        yield


def not_reading(stack: Stack, count: int, path: str) -> Iterator[None]:
    """Clients that ask for a picture and never read it."""
    with ExitStack() as opened:
        for _ in range(count):
            opened.enter_context(RawConnection(stack.url)).begin("GET", path)
        yield
        eventually(lambda: connections(stack) < count / 2, 2 * UNHEARD_SECONDS, "they are hung up on while they stay")


@contextmanager
def malformed(url: str, count: int) -> Iterator[None]:
    """Small requests that are none, one connection each, while the reads go on.

    Sent to a server that nobody else asks, they show what the flood takes of the machine alone.
    """
    choose = random.Random(8)

    def send() -> None:
        for _ in range(count):
            with RawConnection(url) as raw:
                raw.send(choose.randbytes(100))

    sender = threading.Thread(target=send)
    sender.start()
    yield
    sender.join()


@contextmanager
def kept_open(
    stack: Stack, count: int, begin: Callable[[RawConnection], None], go_on: Callable[[RawConnection], None]
) -> Iterator[None]:
    """So many connections, at each of which something is done every second; what is closed is made anew."""
    over = threading.Event()

    def fresh() -> RawConnection:
        raw = RawConnection(stack.url)
        begin(raw)
        return raw

    raws = [fresh() for _ in range(count)]

    def keep() -> None:
        while not over.wait(TRICKLE_SECONDS):
            for number, raw in enumerate(raws):
                try:
                    go_on(raw)
                    raw.socket.setblocking(False)
                    is_closed = raw.socket.recv(1) == b""
                except BlockingIOError:
                    is_closed = False
                except OSError:
                    is_closed = True
                if is_closed:
                    raw.socket.close()
                    raws[number] = fresh()

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()
        for raw in raws:
            raw.socket.close()


def connections(stack: Stack) -> int:
    """How many connections the API has with clients."""
    port = int(stack.url.rpartition(":")[2])
    found = psutil.Process(stack.processes["api-0"].pid).net_connections("tcp")
    return sum(each.status != psutil.CONN_LISTEN and each.laddr.port == port for each in found)


def tell(name: str, reads: list[float], alone: list[float], stack: Stack) -> None:
    """Print a line: median and late percentiles in milliseconds, how many times those alone, and the API's memory."""
    told = []
    for share in (0.5, 0.95, 0.99):
        now, usual = percentile(reads, share), percentile(alone, share)
        told.append(f"{share:.0%} {now:.1f} ms ({now / usual:.2f} x alone)")
    memory = psutil.Process(stack.processes["api-0"].pid).memory_info().rss / 2**20
    print(f"{name:>20}: {', '.join(told)}; {memory:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
