"""The gauges that need a question to the database or the broker, asked when somebody scrapes."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from libs.catalog import status
from libs.shared import mongo, mongo_errors
from libs.shared.errors import MACHINE_ERRORS
from libs.shared.outages import outage_of
from libs.shared.subscription import lags
from services.api.core import Core

Result = TypeVar("Result")

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
            async with anyio.create_task_group() as group:
                group.start_soon(_show_pulse, self._core)
                group.start_soon(_show_room, self._core)
                group.start_soon(_show_subscribers_and_queues, self._core)
            self._asked_at = anyio.current_time()


async def _show_pulse(core: Core) -> None:
    core.metrics.show_pulse(await _answer(lambda: status.pulse(core.catalog)))


async def _show_room(core: Core) -> None:
    left = await _answer(core.room.look)
    core.metrics.storage_left.set(math.nan if left is None else left)


async def _show_subscribers_and_queues(core: Core) -> None:
    subscribers = await _answer(lambda: lags(core.catalog.database)) or []
    core.metrics.show_subscribers(subscribers)
    core.metrics.show_queues(await status.queue_states(core.publisher.queue_state, subscribers, ASK_SECONDS))


async def _answer(question: Callable[[], Awaitable[Result]]) -> Result | None:
    """What the catalog answers; None if it does not in time."""
    try:
        with mongo.in_time(ASK_SECONDS), anyio.move_on_after(ASK_SECONDS):
            return await question()
    except (mongo_errors.DriverError, *MACHINE_ERRORS) as error:
        if outage_of(error) is None:
            raise
    return None
