"""How other commands find the stack that ``album up`` runs: it leaves word in its data directory."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FILE = "stack.json"


@contextmanager
def announced(data: Path, settings: Mapping[str, str | int]) -> Iterator[None]:
    """Leave word of a stack, to its owner alone, and take it back at the end.

    The file is locked before it gets its name, so one that is not is what a killed stack has left.
    """
    path = data / FILE
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump(settings, file)
        file.flush()
        draft.replace(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def running_stack(data: Path) -> dict[str, Any]:
    """The settings of the stack that runs from a data directory; nothing if none does that we may see."""
    try:
        with (data / FILE).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                settings: dict[str, Any] = json.load(file)
                return settings
    except OSError:
        pass
    return {}
