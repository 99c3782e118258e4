"""A short bad day: one of everything dies under load. The long one is ``make chaos``."""

from __future__ import annotations

import pytest
from rich.console import Console

from benchmarks.chaos import Options, wreak


@pytest.mark.timeout(600)
def test_a_short_bad_day_breaks_no_promise() -> None:
    assert wreak(Options(uploads=30, kills=6, seed=5, freeze_seconds=5), Console(width=120)) == []
