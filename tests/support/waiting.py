"""Waiting for a condition, with a deadline, in place of sleeping and hoping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 0.02

T = TypeVar("T")


def eventually(condition: Callable[[], T], timeout_seconds: float = 30.0, what: str = "") -> T:
    """The condition's first true value; an AssertionError that says ``what`` was waited for after the timeout."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_seconds:g} seconds: {what or condition}")
        threading.Event().wait(POLL_SECONDS)
