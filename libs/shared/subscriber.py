"""A subscriber: a frozen card, like a stage's, of who listens to the public events and answers none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from libs.shared.events import Envelope
from libs.shared.metrics import Metrics
from libs.shared.mongo import Database
from libs.shared.settings import SubscriberSettings
from libs.shared.topology import queue_of

Open = Callable[[Database, Metrics, Any], AbstractAsyncContextManager[Any]]
Handler = Callable[[Sequence[Envelope], Any], Awaitable[None]]


@dataclass(frozen=True)
class Subscriber:
    """Who is told of every public event. Its queue, log name and settings prefix derive from ``name``.

    Attributes:
        settings: its own, ``ALBUM_<NAME>_...``.
        open: makes its tools from the database, its process's metrics and its settings, and ends them when the process
            stops.
        handle: takes events and the tools, and returns once all are recorded for good. Events come in order per
            subject, each at least once: one that came before has the same id and must change nothing. Events that
            come together have nothing else in common.
    """

    name: str
    settings: type[SubscriberSettings]
    open: Open
    handle: Handler

    @property
    def queue(self) -> str:
        return queue_of(self.name)
