"""Records public events in the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from libs.audit.entries import Fact
from libs.shared.events import Envelope, rfc3339


class Log(Protocol):
    """Where facts are recorded."""

    async def append(self, facts: Sequence[Fact]) -> None:
        """Record what is not recorded yet; when this returns, all of it is durable."""
        ...


async def record(events: Sequence[Envelope], log: Log) -> None:
    """Record events, those that are recorded already excepted."""
    await log.append([fact_of(event) for event in events])


def fact_of(event: Envelope) -> Fact:
    """What of an event is recorded: ids, never what else its data may hold."""
    return Fact(
        event_id=event.id,
        type=event.type,
        subject=event.subject,
        sequence=event.sequence,
        time=rfc3339(event.time),
        album_id=event.data.get("album_id"),
        image_id=event.data.get("image_id"),
        owner=event.owner,
        actor=event.actor,
    )
