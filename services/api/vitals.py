"""The gauges that need a question to the database or the broker, asked when somebody scrapes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import anyio

from libs.catalog import status
from libs.catalog.status import Pulse
from libs.shared import mongo
from libs.shared.stage import QueueState
from services.api.core import Core

ASK_SECONDS = 2.0
FRESH_SECONDS = 1.0
"""Many scrapers, or somebody who likes to ask, cost no more than one question a second."""


class Vitals:
    """Keeps the gauges of one process fresh."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._asked_at = -math.inf
        self._turn = anyio.Lock()

    async def refresh(self) -> None:
        """Set the gauges in bounded time; those about which nobody answers become NaN."""
        async with self._turn:
            if anyio.current_time() - self._asked_at < FRESH_SECONDS:
                return
            seen = await _ask_catalog(self._core)
            await _ask_broker(self._core, status.queue_names(seen))
            self._asked_at = anyio.current_time()


async def _ask_catalog(core: Core) -> Pulse | None:
    found = None
    try:
        with anyio.move_on_after(ASK_SECONDS):
            found = await status.pulse(core.catalog)
    except mongo.DriverError as error:
        if mongo.outage(error) is None:
            raise
    core.metrics.show_pulse(found)
    return found


async def _ask_broker(core: Core, names: Sequence[str]) -> None:
    queues: dict[str, QueueState | None] = dict.fromkeys(names)
    with anyio.move_on_after(ASK_SECONDS):
        queues = await status.queue_states(core.publisher.queue_state, names)
    core.metrics.show_queues(queues)
