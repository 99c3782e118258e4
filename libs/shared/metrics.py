"""What every process counts, under the names of OpenTelemetry's conventions in Prometheus's spelling.

Labels are few and closed: routes, queues, codes, never ids.
https://github.com/open-telemetry/semantic-conventions/blob/main/docs/messaging/messaging-metrics.md
https://github.com/open-telemetry/semantic-conventions/blob/main/docs/http/http-metrics.md
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The conventions' buckets, and two more for pictures that take long."""
_SYSTEM = "rabbitmq"

Direction = Literal["read", "write"]
Message = TypeVar("Message")
Handle = Callable[[Message], Coroutine[Any, Any, "str | None"]]


class Metrics:
    """The counts of one process, in a registry of its own, so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        messaging = ("messaging_system", "messaging_operation_name", "messaging_destination_name")
        self._sent = Counter(
            "messaging_client_sent_messages",
            "Messages that the broker was asked to take, by exchange; with an error type if it did not.",
            (*messaging, "error_type"),
            registry=self.registry,
        )
        self._consumed = Counter(
            "messaging_client_consumed_messages",
            "Messages that were delivered to this process, by queue.",
            messaging,
            registry=self.registry,
        )
        self._processed = Histogram(
            "messaging_process_duration_seconds",
            "From a message's delivery until it is settled, by queue; with the type of the error that it met.",
            (*messaging, "error_type"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._calls = Histogram(
            "http_client_request_duration_seconds",
            "Requests that this process made, by the answer's status, or the type of what kept it from one.",
            ("http_request_method", "http_response_status_code", "error_type"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._child_exits = Counter(
            "album_decode_child_exits",
            "Decode children that ended in the middle of a call, by failure code.",
            ("reason",),
            registry=self.registry,
        )
        moved = Counter(
            "album_gridfs_bytes",
            "Bytes of blobs read from and written to the store.",
            ("direction",),
            registry=self.registry,
        )
        self._moved = {"read": moved.labels("read"), "write": moved.labels("write")}

    def count_sent(self, exchange: str, error: str) -> None:
        """Count a publish; ``error`` is the type of what it met, or empty."""
        self._sent.labels(_SYSTEM, "publish", exchange, error).inc()

    def count_bytes(self, direction: Direction, length: int) -> None:
        """Count bytes that went to or came from the blob store."""
        self._moved[direction].inc(length)

    def count_child_exit(self, reason: str) -> None:
        """Count a decode child that ended in the middle of a call, by its failure code."""
        self._child_exits.labels(reason).inc()

    def observe_call(self, seconds: float, status: int | None, error: str | None) -> None:
        """Count and time a POST to somebody else; ``error`` is what kept it from an answer with a ``status``."""
        self._calls.labels("POST", str(status or ""), error or "").observe(seconds)

    def measured(self, queue: str, handle: Handle[Message]) -> Callable[[Message], Coroutine[Any, Any, None]]:
        """What handles a queue's messages as ``handle`` does, counted and timed.

        Args:
            queue: whose messages they are.
            handle: settles a message; returns the type of the error that it met, if any.
        """
        delivered = self._consumed.labels(_SYSTEM, "deliver", queue)

        async def handle_measured(message: Message) -> None:
            delivered.inc()
            started, error = time.perf_counter(), "cancelled"
            try:
                error = await handle(message) or ""
            finally:
                self._processed.labels(_SYSTEM, "process", queue, error).observe(time.perf_counter() - started)

        return handle_measured

    def exposition(self) -> bytes:
        """All of it in Prometheus's text format, of type `CONTENT_TYPE`."""
        return generate_latest(self.registry)
