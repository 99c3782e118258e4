"""When `album up` starts again what has died."""

from __future__ import annotations

from services.cli.supervisor import LONGEST_DELAY_SECONDS, STABLE_SECONDS, Kept


class Mortal:
    """A child that runs until it is told that it has died."""

    name = "api"
    exit_code = 1

    def __init__(self) -> None:
        self.is_running = True

    def is_ready(self) -> bool:
        return self.is_running

    def start(self) -> None:
        self.is_running = True


def delay(kept: Kept, child: Mortal, died_at: float) -> float:
    """How long it is left alone when it dies then."""
    child.is_running = False
    kept.tend(died_at)
    assert kept.start_at is not None
    start_at = kept.start_at
    kept.tend(start_at - 0.01)
    assert not child.is_running
    kept.tend(start_at)
    assert child.is_running
    return start_at - died_at


def test_what_dies_again_and_again_is_started_later_each_time() -> None:
    child = Mortal()
    kept = Kept(child, print, started_at=0.0)
    now, delays = 0.0, []

    for _ in range(9):
        delays.append(delay(kept, child, now))
        now += delays[-1] + 1

    assert delays == [0.5, 1, 2, 4, 8, 16, LONGEST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, LONGEST_DELAY_SECONDS]


def test_what_has_run_well_in_between_is_started_again_as_soon_as_at_first() -> None:
    child = Mortal()
    kept = Kept(child, print, started_at=0.0)
    started_at = 0.0
    for _ in range(4):
        started_at += 1 + delay(kept, child, started_at + 1)

    assert delay(kept, child, started_at + STABLE_SECONDS + 1) == 0.5
