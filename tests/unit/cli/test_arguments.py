"""Arguments that cannot be meant are refused before anything is asked of a server, and the answer says what can be."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from services.cli.times import moment
from tests.support import operator

EX_USAGE = 2
A_TIME = "2026-11-22T08:00:00Z"
AN_ID = "123e4567-e89b-42d3-a456-426614174000"
SINCE = [("audit", "export", "--since"), ("audit", "export", "--until"), ("webhooks", "replay", AN_ID, "--since")]
BY_ID = [
    ("audit", "export", "--album"),
    ("webhooks", "deliveries"),
    ("webhooks", "replay", AN_ID, "--delivery"),
    ("dead-letters", "show"),
    ("dead-letters", "retry"),
    ("dead-letters", "drop"),
]


@pytest.mark.parametrize("time", ["yesterday", "", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize("command", SINCE, ids=" ".join)
def test_what_is_no_time_is_answered_with_one(command: tuple[str, ...], time: str) -> None:
    refused = operator.album({}, *command, time)

    assert refused.exit_code == EX_USAGE
    assert A_TIME in refused.stderr


@pytest.mark.parametrize("id", ["summer", "", AN_ID[:-1], AN_ID.replace("-", ""), f"{AN_ID}\n"])
@pytest.mark.parametrize("command", BY_ID, ids=" ".join)
def test_what_is_no_id_is_answered_with_one(command: tuple[str, ...], id: str) -> None:
    refused = operator.album({}, *command, id)

    assert refused.exit_code == EX_USAGE
    assert AN_ID in refused.stderr


@pytest.mark.parametrize("hash", ["0" * 63, "x" * 64, "A" * 64], ids=["short", "no digits", "capitals"])
def test_an_anchor_that_no_entry_could_match_accuses_nobody(hash: str) -> None:
    refused = operator.album({}, "audit", "verify", "--anchor", f"3:{hash}")

    assert refused.exit_code == EX_USAGE
    assert "POSITION:HASH" in refused.stderr


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


@pytest.mark.parametrize(
    "command",
    [("dead-letters", "list", "--limit"), ("webhooks", "deliveries", AN_ID, "--limit"), ("audit", "tail", "--count")],
    ids=" ".join,
)
def test_nobody_is_shown_more_than_a_command_can_hold(command: tuple[str, ...]) -> None:
    refused = operator.album({}, *command, str(10**19))

    assert refused.exit_code == EX_USAGE
    assert "1000000" in refused.stderr


def test_no_database_is_started_for_a_backup_that_is_not_there(tmp_path: Path) -> None:
    refused = operator.album({}, "restore", tmp_path / "missing", "--data", tmp_path / "data")

    assert refused.exit_code == 1
    assert refused.stderr == f"album: there is no backup in {tmp_path / 'missing'}, or none that was finished\n"
    assert not (tmp_path / "data").exists()


def test_a_directory_of_data_that_cannot_be_made_for_a_restore_is_named(tmp_path: Path) -> None:
    data = tmp_path / "manifest.jsonl" / "data"
    data.parent.touch()

    ended = operator.album({}, "restore", tmp_path, "--data", data)

    assert ended.exit_code == os.EX_IOERR
    assert ended.stderr == f"album: {data}: Not a directory\n"


def test_output_that_cannot_be_written_is_told_of_in_a_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "services.cli", "audit", "--help"], stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert ended.returncode == os.EX_IOERR
    assert ended.stderr == b"album: a file: No space left on device\n"
