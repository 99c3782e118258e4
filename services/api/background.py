"""Work that a request starts and does not wait for."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from libs.shared.logs import get_logger
from libs.shared.outages import outage_of
from services.api.core import Core


def in_background(core: Core, what: str, work: Coroutine[Any, Any, None]) -> None:
    """Do ``work`` now but unattended; what ends it early is logged as an end of ``what``, and ends nothing else."""
    core.tasks.start_soon(_quietly, what, work)


async def _quietly(what: str, work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 - what one request began must not end the process
        if (outage := outage_of(error)) is not None:
            get_logger().warning(f"an outage met {what}", **outage.told())
        else:
            get_logger().error(f"a bug met {what}", exc_info=error)
