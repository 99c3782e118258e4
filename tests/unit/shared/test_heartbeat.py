"""The url that a connection to the broker is made with."""

from __future__ import annotations

import pytest

from libs.shared.rabbitmq import HEARTBEAT_SECONDS, with_heartbeat

OURS = f"heartbeat={HEARTBEAT_SECONDS}"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("amqp://guest:guest@localhost:5672/", f"amqp://guest:guest@localhost:5672/?{OURS}"),
        ("amqp://localhost", f"amqp://localhost?{OURS}"),
        ("amqp://album:p%40s%2Fs@[::1]:5672/%2Falbum", f"amqp://album:p%40s%2Fs@[::1]:5672/%2Falbum?{OURS}"),
        ("amqps://broker/v?heartbeat=600", f"amqps://broker/v?{OURS}"),
        ("amqps://broker/v?cafile=/etc/ca.pem&name=", f"amqps://broker/v?cafile=%2Fetc%2Fca.pem&name=&{OURS}"),
    ],
)
def test_heartbeats_are_ours_and_all_else_is_as_the_operator_says(given: str, asked: str) -> None:
    assert with_heartbeat(given) == asked
