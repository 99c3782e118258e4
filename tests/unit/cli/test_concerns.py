"""What `album status` says needs a person, by which it ends with 1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from libs.catalog.status import Overview, Pulse
from libs.shared.events import utc_now
from libs.shared.subscription import Lag
from libs.shared.topology import QueueState
from services.cli.status import Seen

QUIET = Pulse(outbox_pending=0, outbox_oldest_age_seconds=0, images_stuck=0, dead_letters=0, findings_left=0)
OVERVIEW = Overview(
    at=utc_now(),
    pulse=QUIET,
    subscribers=[Lag("audit", 3, 1.0, is_late=False)],
    in_flight=[],
    per_minute={},
    failed=[],
    letters=[],
)
WELL = Seen(OVERVIEW, {"album.decoder.v1": QueueState(7, 1)}, {"database": "up", "broker": "up"}, None)


def test_where_all_answers_and_gets_on_nobody_is_needed() -> None:
    assert WELL.concerns == []


@pytest.mark.parametrize(
    ("counted", "concern"),
    [
        ({"images_stuck": 1_000}, "images that are stuck: 1,000"),
        ({"dead_letters": 2}, "dead letters that are kept: 2"),
        ({"findings_left": 3}, "findings that `album fsck` tells of: 3"),
    ],
)
def test_what_stays_behind_is_for_a_person(counted: dict[str, int], concern: str) -> None:
    overview = replace(OVERVIEW, pulse=replace(QUIET, **counted))

    assert replace(WELL, overview=overview).concerns == [concern]


@pytest.mark.parametrize(
    ("differently", "concerns"),
    [
        ({"overview": None}, ["MongoDB does not answer"]),
        ({"overview": None, "hint": "nobody has named it"}, ["MongoDB does not answer", "nobody has named it"]),
        ({"queues": {"album.decoder.v1": None}}, ["RabbitMQ does not answer"]),
        ({"queues": {"album.decoder.v1": QueueState(0, 0)}}, ["nobody takes messages from album.decoder.v1"]),
        ({"api": None}, ["the API does not answer"]),
        ({"api": {"database": "upgrading", "broker": "up"}}, ["the database is being brought up to date"]),
    ],
    ids=str,
)
def test_what_is_away_or_not_ready_is_for_a_person(differently: dict[str, Any], concerns: list[str]) -> None:
    assert replace(WELL, **differently).concerns == concerns
