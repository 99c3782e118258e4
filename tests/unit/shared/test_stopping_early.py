"""A service that is told to stop before it has begun to work."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from deploy.local.ports import LOOPBACK, free_ports
from tests.support.waiting import eventually

PROJECT = Path(__file__).parents[3]


def answers(port: int) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"http://{LOOPBACK}:{port}/livez").status_code == 200
    return False


@pytest.mark.parametrize("name", ["audit", "notifier"])
def test_a_subscriber_that_waits_for_its_database_ends_when_it_is_told_to(name: str) -> None:
    mongo, amqp, probes = free_ports(3)
    environment = os.environ | {
        "ALBUM_MONGO_URL": f"mongodb://{LOOPBACK}:{mongo}/",
        "ALBUM_AMQP_URL": f"amqp://{LOOPBACK}:{amqp}/",
        "ALBUM_METRICS_PORT": str(probes),
    }
    with subprocess.Popen([sys.executable, "-m", f"services.{name}"], cwd=PROJECT, env=environment) as process:
        eventually(lambda: answers(probes), what="it says that it lives")
        process.terminate()
        # Not by the signal's default, which the first process of a container does not have.
        assert process.wait(timeout=20) == 0
