"""Work that a request starts and does not wait for."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from libs.shared import mongo
from libs.shared.errors import Outage
from libs.shared.logs import get_logger
from libs.shared.outages import outage_of
from services.api.core import Core


def in_background(core: Core, work: Coroutine[Any, Any, None]) -> None:
    """Do ``work`` now but unattended; what an outage interrupts, the reconciler finishes."""
    core.tasks.start_soon(_quietly, work)


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except (Outage, mongo.DriverError) as error:
        if outage_of(error) is None:
            raise
        get_logger().warning("left to the reconciler", error=type(error).__name__)
