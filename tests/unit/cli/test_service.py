"""What other processes say of their health."""

from __future__ import annotations

from services.api.routes.operations import PING_SECONDS
from services.cli.service import PROBE_SECONDS


def test_an_api_whose_database_hangs_is_heard_saying_so() -> None:
    assert PROBE_SECONDS >= PING_SECONDS + 1
