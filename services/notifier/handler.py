"""Makes events due to the webhooks that want them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from libs.shared.events import Envelope


class Deliveries(Protocol):
    """What is due to webhooks, and who sends it."""

    async def record(self, events: Sequence[Envelope]) -> int:
        """Record what is not recorded yet; when this returns, all of it is durable. How many deliveries are new."""
        ...

    def notify(self) -> None:
        """Say that something has become due."""
        ...


async def make_due(events: Sequence[Envelope], deliveries: Deliveries) -> None:
    """Record for each webhook the events that it wants, and have them sent."""
    if await deliveries.record(events):
        deliveries.notify()
