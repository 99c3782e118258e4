"""Arguments that cannot be meant are refused before anything is asked of a server, and the answer says what can be."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from services.cli.times import moment
from tests.support import operator

EX_USAGE = 2
A_TIME = "2026-11-22T08:00:00Z"
SINCE = [("audit", "export", "--since"), ("audit", "export", "--until"), ("webhooks", "replay", "hook", "--since")]


@pytest.mark.parametrize("time", ["yesterday", "", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize("command", SINCE, ids=" ".join)
def test_what_is_no_time_is_answered_with_one(command: tuple[str, ...], time: str) -> None:
    refused = operator.album({}, *command, time)

    assert refused.exit_code == EX_USAGE
    assert A_TIME in refused.stderr


@pytest.mark.parametrize("time", [A_TIME, "2026-11-22", "2026-11-22T08:00:00", "2026-11-22T09:00:00+01:00"])
def test_a_time_may_leave_out_its_zone_and_its_hour(time: str) -> None:
    assert moment(time) == datetime(2026, 11, 22, 8 if "T" in time else 0, tzinfo=timezone.utc)


def test_letters_may_be_chosen_by_their_stage_alone_and_the_refusal_says_so() -> None:
    refused = operator.album({}, "dead-letters", "drop")

    assert refused.exit_code == EX_USAGE
    assert "--stage or --code or both" in refused.stderr


@pytest.mark.parametrize("days", ["0", "-1", "nan", "inf", "1e9"])
def test_a_key_lives_for_more_than_no_time(days: str) -> None:
    refused = operator.album({}, "keys", "create", "--owner", "anna", "--expires-days", days)

    assert refused.exit_code == EX_USAGE
    assert "more than 0" in refused.stderr


@pytest.mark.parametrize("hours", ["-1", "inf", "1e9"])
def test_what_is_left_behind_for_so_long_began_at_some_date(hours: str) -> None:
    refused = operator.album({}, "fsck", "--horizon", hours)

    assert refused.exit_code == EX_USAGE
    assert "--horizon" in refused.stderr
