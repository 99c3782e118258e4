"""What follows from a failed attempt."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import SecretStr

from libs.webhooks.records import Attempt, Claim, SigningWebhook
from libs.webhooks.sending import Verdict
from services.notifier import retries
from services.notifier.sender import Outcome, seconds_asked
from services.notifier.settings import NotifierSettings

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
SETTINGS = NotifierSettings()


def judged(
    status: int | None,
    *,
    tries: int = 0,
    age: timedelta = timedelta(),
    took: float = 0,
    retry_after: float | None = None,
    **state: Any,
) -> Verdict:
    webhook = SigningWebhook(
        id="w", owner="o", url="http://a/", album_id=None, types=None, create_date=NOW, secret=SecretStr("s"), **state
    )
    claimed = Claim(id="d", webhook_id="w", event_id="e", body="{}", due_at=NOW, started_at=NOW - age, tries=tries)
    problem = "timeout" if status is None else None
    attempt = Attempt(at=NOW, duration_seconds=took, status=status, problem=problem)
    return retries.judge(SETTINGS, webhook, claimed, Outcome(attempt, retry_after))


def seconds_until(moment: datetime | None) -> float:
    assert moment is not None
    return (moment - NOW).total_seconds()


def test_pauses_grow_by_four_with_jitter_up_to_the_longest() -> None:
    for tries, pause in enumerate([5, 20, 80, 320, 1280, 5120, 20480, 21600, 21600]):
        assert pause * 0.8 <= seconds_until(judged(500, tries=tries).retry_at) <= pause * 1.2
    assert len({judged(500).retry_at for _ in range(20)}) > 1


def test_a_pause_begins_when_a_receiver_that_took_long_has_failed() -> None:
    verdict = judged(None, took=100)

    assert 104 <= seconds_until(verdict.retry_at) <= 106
    assert 104 <= seconds_until(verdict.paused_until) <= 106


def test_a_delivery_is_tried_for_a_day_and_then_given_up() -> None:
    day = timedelta(days=1)

    tries, age = 0, timedelta()
    while (verdict := judged(500, tries=tries, age=age)).retry_at is not None:
        tries, age = tries + 1, age + (verdict.retry_at - NOW)

    assert day * 0.7 < age <= day
    assert 8 <= tries <= 11


@pytest.mark.parametrize("status", [None, 429, 502, 503, 504])
def test_a_receiver_that_is_unwell_is_left_alone_ever_longer(status: int | None) -> None:
    pauses = [seconds_until(judged(status, failures=failures).paused_until) for failures in (0, 1, 5, 50)]

    assert 4 <= pauses[0] <= 6
    assert 16 <= pauses[1] <= 24
    assert pauses[2:] == [60, 60]


@pytest.mark.parametrize("status", [301, 400, 404, 500])
def test_a_receiver_that_refuses_one_event_gets_the_others_at_once(status: int) -> None:
    assert judged(status, failures=9).paused_until is None


def test_retry_after_is_honoured_within_bounds() -> None:
    asked = judged(503, retry_after=120)
    assert (seconds_until(asked.retry_at), seconds_until(asked.paused_until)) == (120, 120)
    assert seconds_until(judged(503, retry_after=10**9).retry_at) == 3600
    assert seconds_until(judged(503, retry_after=0).retry_at) >= 4


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0),
        ("Sun, 22 Nov 2026 08:00:10", 10),
        ("-1", None),
        ("1.5", None),
        ("9" * 5000, float("inf")),
        ("soon", None),
        ("Sun, 22 Nov 99999999999999 08:00:10 GMT", None),
        ("Sun, 22 Nov 2026 08:00:10 +99999999999999", None),
        ("", None),
        ("٣", None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert seconds_asked(header, NOW) == seconds


def test_gone_disables_at_once_and_gives_the_delivery_up() -> None:
    assert judged(410) == Verdict(reason="gone")


def test_a_webhook_is_disabled_when_a_delivery_is_given_up_after_days_without_a_success() -> None:
    old, day = NOW - timedelta(days=6), timedelta(days=1)

    assert judged(500, age=day, failing_since=old).reason == "failing"
    assert judged(500, failing_since=old).reason is None
    assert judged(500, age=day, failing_since=NOW - timedelta(days=4)).reason is None
    assert judged(500, age=day).reason is None
