"""A subscriber to the real event log, in the words of tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from libs.shared.events import EVENTS, Envelope
from libs.shared.subscription import Subscription
from libs.shared.worker import Worker
from tests.support.shelf import Shelf

PUBLIC = [event for event in EVENTS if event.is_public]


@dataclass
class Listener:
    """A subscriber that remembers what it was given, and one that cannot bear the events in ``unbearable``."""

    shelf: Shelf
    name: str = "listener"
    heard: list[Envelope] = field(default_factory=list)
    unbearable: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start, or start again as a new process would."""
        database = self.shelf.catalog.database
        self.subscription = Subscription(self.name, database, self._hear, timedelta(days=30))
        self.worker = Worker(self.name, PUBLIC, self.subscription.take)

    async def _hear(self, events: Sequence[Envelope]) -> None:
        if self.unbearable & {event.id for event in events}:
            raise ArithmeticError("a bug")
        self.heard += events

    async def is_brought(self, *events: Envelope) -> None:
        """Be brought these by the queue, one after the other."""
        for event in events:
            await self.subscription.take(event, event.event())

    async def catch_up(self) -> None:
        await self.subscription.catch_up(self.worker.handle_message)

    def sequences(self, subject: str) -> list[int | None]:
        return [event.sequence for event in self.heard if event.subject == subject]
