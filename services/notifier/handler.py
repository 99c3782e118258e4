"""Makes events due to the webhooks that want them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from libs.shared.events import Envelope


class Deliveries(Protocol):
    """What is due to webhooks, and who sends it."""

    async def record(self, events: Sequence[Envelope]) -> None:
        """Record what is not recorded yet, and have it sent; when this returns, all of it is durable."""
        ...


async def make_due(events: Sequence[Envelope], deliveries: Deliveries) -> None:
    """Record for each webhook the events that it wants, and have them sent."""
    await deliveries.record(events)
