"""The exchanges and queues of the pipeline: their names, and what they are declared with.

What must be atomic with a queue is said here, the rest is for operators' policies.
"""

from __future__ import annotations

from typing import Any

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


def dead_queue_arguments() -> Arguments:
    """What the queue of dead letters is declared with."""
    return {**_QUORUM}


def log_stream_arguments() -> Arguments:
    """What the stream of all public events is declared with."""
    return {"x-queue-type": "stream", "x-max-age": "7D"}


def stage_queue_arguments() -> Arguments:
    """What a stage's queue is declared with.

    At-least-once dead-lettering needs ``reject-publish`` (https://www.rabbitmq.com/docs/quorum-queues).
    """
    return {
        **_QUORUM,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": DEAD_QUEUE,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def subscriber_queue_arguments() -> Arguments:
    """What a subscriber's queue is declared with: it can neither refuse an event nor fill the broker's disk.

    What is dropped from a full one, or after too many returns, the subscriber finds in the event log.
    """
    return {
        **_QUORUM,
        "x-single-active-consumer": True,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-max-length": SUBSCRIBER_QUEUE_LENGTH,
        "x-overflow": "drop-head",
    }
