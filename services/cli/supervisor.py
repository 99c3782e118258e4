"""Keeps processes running: what dies is started again, later each time, and one line says so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.shared.errors import MACHINE_ERRORS
from libs.shared.outages import outage_of

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
DOUBLINGS = 6
"""After so many it is the longest; the thousandth power of two, after a night of failures, is no number of seconds."""
# One that ran this long had started well: its next failure is a new story.
STABLE_SECONDS = 60.0
TICK_SECONDS = 0.1
STILL_WAITING_SECONDS = 20.0


class Misconfigured(Exception):
    """The child of this name refuses to run as it is set up."""


class Supervised(Protocol):
    """What can be kept running: a private server or one of the services."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def is_running(self) -> bool:
        """Whether it runs."""

    @property
    def exit_code(self) -> int | None:
        """How it ended."""

    def is_ready(self) -> bool:
        """Whether it can do its work."""

    def start(self) -> None:
        """Start what of it does not run."""


@dataclass
class Kept:
    """One supervised process and what is remembered about its failures."""

    child: Supervised
    say: Callable[[str], None]
    started_at: float
    failures: int = 0
    start_at: float | None = None

    def tend(self, now: float) -> None:
        """Notice a death, or start the child again when its delay is over."""
        if self.start_at is not None:
            if now >= self.start_at:
                self.start_at, self.started_at = None, now
                self._start()
        elif not self.child.is_running:
            if self.child.exit_code == os.EX_CONFIG:
                raise Misconfigured(self.child.name)
            self.failures = 1 if now - self.started_at > STABLE_SECONDS else self.failures + 1
            delay = min(FIRST_DELAY_SECONDS * 2 ** min(self.failures - 1, DOUBLINGS), LONGEST_DELAY_SECONDS)
            self.start_at = now + delay
            ending = describe_exit(self.child.exit_code)
            self.say(f"{self.child.name} {ending}; starting it again in {delay:g} s")

    def _start(self) -> None:
        try:
            self.child.start()
        except MACHINE_ERRORS as error:
            outage = outage_of(error)
            if outage is None:
                raise
            self.say(f"{self.child.name} cannot be started: {outage.message}")


def keep_running(children: Sequence[Supervised], *, say: Callable[[str], None], on_ready: Callable[[], None]) -> None:
    """Tend started children until a signal's handler raises; calls ``on_ready`` once, when all are ready.

    Raises:
        Misconfigured: one of them ended saying that it must not run as it is set up.
    """
    began = time.monotonic()
    kept = [Kept(child, say, began) for child in children]
    waiting = list(children)
    next_word = began + STILL_WAITING_SECONDS
    while True:
        now = time.monotonic()
        for one in kept:
            one.tend(now)
        if waiting:
            waiting = [child for child in waiting if not child.is_ready()]
            if not waiting:
                on_ready()
            elif now > next_word:
                next_word = now + STILL_WAITING_SECONDS
                say(f"still waiting for {', '.join(child.name for child in waiting)}")
        time.sleep(TICK_SECONDS)


def describe_exit(code: int | None) -> str:
    """A few words on how a process ended, from its exit code or minus the signal's number."""
    if code is None:
        return "is incomplete"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
