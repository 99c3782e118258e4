"""A stage: a frozen card that says what it consumes, what it emits and what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from libs.shared.events import Event
from libs.shared.ports import Toolbox
from libs.shared.settings import StageSettings
from libs.shared.topology import queue_of

Handler = Callable[[Any, Toolbox], Awaitable[Event]]


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline. Its queue, log name and settings prefix derive from ``name``."""

    name: str
    consumes: tuple[type[Event], ...]
    emits: tuple[type[Event], ...]
    settings: type[StageSettings]
    handle: Handler

    @property
    def queue(self) -> str:
        return queue_of(self.name)
