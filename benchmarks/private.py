"""Private servers and services for one benchmark, gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from deploy.local import mongod, rabbitmq
from deploy.local.node import Node, running
from tests.support.stack import Stack, run_stack


@dataclass(frozen=True)
class Servers:
    """One database and one broker, and a directory for whatever uses them."""

    directory: Path
    database: Node
    broker: Node
    mongo: MongoClient[dict[str, Any]]

    @contextmanager
    def stack(self, *, decoders: int = 1, thumbnailers: int = 1, **settings: str) -> Iterator[Stack]:
        """Run Album on them, one stack at a time; ``settings`` are ``ALBUM_...`` variables of the services."""
        counts = {"api": 1, "decoder": decoders, "thumbnailer": thumbnailers}
        as_in_production = {"ALBUM_LOG_FORMAT": "json"}  # lines for people take several times as long to write
        stack = run_stack(
            self.directory, self.mongo, self.database.url, self.broker.url, counts, **as_in_production | settings
        )
        try:
            yield stack
        finally:
            stack.stop()


@contextmanager
def private_servers(cache_gigabytes: float = mongod.CACHE_GIGABYTES) -> Iterator[Servers]:
    """Run a database, with a cache of this size, and a broker on free ports."""
    with tempfile.TemporaryDirectory(prefix="album-benchmark-") as name:
        directory = Path(name)
        with (
            running(mongod.prepare(directory, cache_gigabytes), rabbitmq.prepare(directory)) as (database, broker),
            MongoClient[dict[str, Any]](database.url, tz_aware=True) as mongo,
        ):
            yield Servers(directory, database, broker, mongo)


@contextmanager
def private_stack(*, decoders: int = 1, thumbnailers: int = 1, **settings: str) -> Iterator[Stack]:
    """Run servers and services."""
    with private_servers() as servers, servers.stack(decoders=decoders, thumbnailers=thumbnailers, **settings) as stack:
        yield stack
