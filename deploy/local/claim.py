"""One supervisor to a data directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class AlreadyClaimed(Exception):
    """Another process runs the servers of this data directory; the message names both."""


@contextmanager
def claimed(data_dir: Path) -> Iterator[None]:
    """Make the directory, readable by its owner alone, and hold it; the hold ends with the process at the latest.

    Raises:
        AlreadyClaimed: another process holds it.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise AlreadyClaimed(f"process {lock.read().strip()} is using {data_dir}") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
