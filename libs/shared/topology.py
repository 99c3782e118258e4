"""The exchanges and queues of the pipeline: their names, and what they are declared with.

What must be atomic with a queue is said here, the rest is for operators' policies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from libs.shared.events import Event

WORK_EXCHANGE = "album.work"
EVENTS_EXCHANGE = "album.events"
DEAD_QUEUE = "album.dead.v1"
LOG_STREAM = "album.events.log.v1"

DELIVERY_LIMIT = 20
"""After so many returns the broker parks a message; a worker's own deaths count towards it."""
SUBSCRIBER_QUEUE_LENGTH = 100_000
"""Events of about a kilobyte that wait for a subscriber; older ones it has to fetch from the event log."""

Arguments = dict[str, Any]

_QUORUM: Arguments = {"x-queue-type": "quorum"}


@dataclass(frozen=True)
class Queue:
    """A queue: what it is declared with, and which routing keys of an exchange go into it."""

    name: str
    arguments: Arguments
    exchange: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class QueueState:
    """How many messages wait in a queue, not counting those in hand, and how many consumers it has."""

    messages: int
    consumers: int


def queue_of(service: str) -> str:
    """The name of a stage's, a subscriber's or the API's queue."""
    return f"album.{service}.v1"


def noted_name(noted: object) -> str:
    """A name in a header that the broker writes, unless the sender did before, who may have written anything."""
    return noted if isinstance(noted, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,255}", noted) else "unknown"


DEAD_LETTERS = Queue(DEAD_QUEUE, {**_QUORUM})
"""The queue of dead letters of all stages.

Without a limit of its own: the brokers that have the queue would refuse to declare it with one. docs/operations.md has
a policy against RabbitMQ 4's, of 20.
"""

LOG = Queue(LOG_STREAM, {"x-queue-type": "stream", "x-max-age": "7D"}, EVENTS_EXCHANGE, ("#",))
"""The stream of all public events."""


def stage_queue(name: str, events: Iterable[type[Event]]) -> Queue:
    """The queue of a stage that works on these events.

    At-least-once dead-lettering needs ``reject-publish`` (https://www.rabbitmq.com/docs/quorum-queues).
    """
    arguments = {
        **_QUORUM,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": DEAD_QUEUE,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    return Queue(name, arguments, WORK_EXCHANGE, tuple(event.routing_key for event in events))


def subscriber_queue(name: str) -> Queue:
    """A subscriber's queue, for all public events: it can neither refuse one nor fill the broker's disk.

    What is dropped from a full one, or after too many returns, the subscriber finds in the event log.
    """
    arguments = {
        **_QUORUM,
        "x-single-active-consumer": True,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-max-length": SUBSCRIBER_QUEUE_LENGTH,
        "x-overflow": "drop-head",
    }
    return Queue(name, arguments, EVENTS_EXCHANGE, ("#",))
