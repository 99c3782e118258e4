"""A notifier whose machine has no threads left goes on."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from libs.shared import mongo
from libs.shared.metrics import Metrics
from libs.shared.settings import SharedSettings
from libs.webhooks.registry import Registry
from services.notifier.deliverer import Deliverer
from services.notifier.network import JudgedNetwork, Resolver
from services.notifier.sender import Sender, trusted_authorities
from services.notifier.settings import NotifierSettings

DELIVERERS = 40
"""More than the driver has threads by then, however many it may make."""


async def run_without_threads(mongo_url: str, database: str) -> None:
    """Have more deliverers look for what is due at once than get a thread; for a process of its own."""
    client = mongo.connect(SharedSettings(mongo_url=SecretStr(mongo_url)))
    settings = NotifierSettings()
    registry = Registry(client[database], settings)
    await registry.ensure_indexes()
    sender = Sender(JudgedNetwork(registry.policy, Resolver(1)), trusted_authorities(), settings.timeout_seconds)
    deliverers = [Deliverer(registry, sender, Metrics(), settings) for _ in range(DELIVERERS)]
    threading.stack_size(1 << 46)  # no machine has as much for a thread
    with capture_logs() as said:
        async with anyio.create_task_group() as group:
            for deliverer in deliverers:
                group.start_soon(deliverer.run)
            with anyio.fail_after(30):
                while not said:
                    await anyio.lowlevel.checkpoint()
            for deliverer in deliverers:
                deliverer.stop()
    client.close()


@pytest.mark.anyio
async def test_a_notifier_that_gets_no_thread_looks_for_what_is_due_again(mongo_url: str, database: str) -> None:
    script = (
        "import anyio, sys\n"
        "from tests.contract.test_crowded_notifier import run_without_threads\n"
        "anyio.run(run_without_threads, *sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", script, mongo_url, database]
    ended = await anyio.run_process(command, cwd=Path(__file__).parents[2], check=False)
    assert ended.returncode == 0, ended.stderr.decode()
