"""A private stack for one benchmark: its own servers and services, gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from deploy.local import mongod, rabbitmq
from deploy.local.node import running
from tests.support.stack import Stack, run_stack


@contextmanager
def private_stack(*, decoders: int = 1, thumbnailers: int = 1, **settings: str) -> Iterator[Stack]:
    """Run servers and services; ``settings`` are ``ALBUM_...`` variables of the services."""
    with tempfile.TemporaryDirectory(prefix="album-benchmark-") as name:
        directory = Path(name)
        with (
            running(mongod.prepare(directory), rabbitmq.prepare(directory)) as (database, broker),
            MongoClient[dict[str, Any]](database.url, tz_aware=True) as mongo,
        ):
            counts = {"api": 1, "decoder": decoders, "thumbnailer": thumbnailers}
            stack = run_stack(directory, mongo, database.url, broker.url, counts, **settings)
            try:
                yield stack
            finally:
                stack.stop()
