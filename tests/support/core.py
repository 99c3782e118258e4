"""The API's parts that work without a server: a shelf's catalog and blobs, and a broker's answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType, SimpleNamespace
from typing import cast

from libs.catalog.records import Image
from libs.shared.errors import Outage
from libs.shared.topology import QueueState
from services.api.core import Core
from tests.support.shelf import Shelf


async def _nobody_answers(queue: str) -> QueueState:
    raise Outage("the broker does not answer")


async def always() -> bool:
    """What a round of repairs is given that nobody interrupts."""
    return True


def core_of(
    shelf: Shelf,
    *,
    is_broker_there: bool = True,
    waiting: Mapping[str, int] = MappingProxyType({}),
    keep_originals: bool = True,
    on_step: Callable[[Image], None] = lambda image: None,
) -> Core:
    """What `services.api.progress` and `reconcile` work with.

    Args:
        shelf: whose catalog and blobs they are.
        is_broker_there: whether it answers.
        waiting: how many messages wait in which queues.
        keep_originals: as the setting says.
        on_step: hears of each accepted result.
    """

    async def look(queue: str) -> QueueState:
        return QueueState(waiting.get(queue, 0), 1)

    parts = SimpleNamespace(
        catalog=shelf.catalog,
        blobs=shelf.blobs,
        publisher=SimpleNamespace(queue_state=look if is_broker_there else _nobody_answers),
        settings=SimpleNamespace(failed_retention_days=None, keep_originals=keep_originals),
        metrics=SimpleNamespace(count_step=on_step),
    )
    return cast(Core, parts)
