"""What the API counts beside what every process does: requests, images, and what it sees of the whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from prometheus_client import Counter, Gauge, Histogram

from libs.catalog.records import Image
from libs.catalog.status import Pulse
from libs.shared.metrics import SECONDS, Metrics
from libs.shared.subscription import Lag
from libs.shared.topology import QueueState

_STAGES = {"encoded": "decoder", "ready": "thumbnailer"}
STAGE_SECONDS = (*SECONDS, 300.0, 1800.0)


class ApiMetrics(Metrics):
    """The counts of one API process."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP requests until the last byte of the answer.",
            ("http_request_method", "http_route", "http_response_status_code"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.uploads_in_flight = self._gauge("album_uploads_in_flight", "Uploads that this process is receiving.")
        self.stage_seconds = Histogram(
            "album_stage_duration_seconds",
            "From an image's previous step to the result of a stage, waiting included, as this process applied it.",
            ("stage",),
            buckets=STAGE_SECONDS,
            registry=self.registry,
        )
        self.finished = Counter(
            "album_images_finished",
            "Images that became ready or failed, by 'ready' or failure code, as this process applied it.",
            ("outcome",),
            registry=self.registry,
        )
        self._pending = self._gauge("album_outbox_pending", "Events of the log that are not published yet.")
        self._oldest = self._gauge("album_outbox_oldest_age_seconds", "Age of the oldest of them.")
        self._stuck = self._gauge("album_images_stuck", "Images that were emitted again and still do not move.")
        self._letters = self._gauge("album_dead_letters", "Dead letters that are kept.")
        self._findings = self._gauge("album_findings_left", "What the last check of the store has found and left.")
        self.storage_left = self._gauge("album_storage_left_bytes", "Bytes that fit until uploads are refused.")
        self._lags = self._gauge("album_subscriber_lag", "Events that a subscriber has not had yet.", "subscriber")
        self._lag_ages = self._gauge("album_subscriber_oldest_age_seconds", "Age of the oldest of them.", "subscriber")
        self._messages = self._gauge("album_queue_messages", "Messages that wait in a queue.", "queue")
        self._consumers = self._gauge("album_queue_consumers", "Consumers of a queue.", "queue")
        self.events_refused = Counter(
            "album_events_refused", "Public events that some subscriber's queue did not take.", registry=self.registry
        )

    def count_step(self, image: Image) -> None:
        """Count the step that an image has just made, and how long it took since the one before."""
        before, now = image.timeline[-2:]
        if now.event in _STAGES:
            self.stage_seconds.labels(_STAGES[now.event]).observe((now.at - before.at).total_seconds())
        if image.state in ("ready", "failed"):
            self.finished.labels(image.code or image.state).inc()

    def show_pulse(self, pulse: Pulse | None) -> None:
        """Set the gauges that come from the catalog; NaN where it does not answer."""
        self._pending.set(pulse.outbox_pending if pulse else math.nan)
        self._oldest.set(pulse.outbox_oldest_age_seconds if pulse else math.nan)
        self._stuck.set(pulse.images_stuck if pulse else math.nan)
        self._letters.set(pulse.dead_letters if pulse else math.nan)
        self._findings.set(pulse.findings_left if pulse else math.nan)

    def show_subscribers(self, lags: Iterable[Lag]) -> None:
        """Set the gauges of subscribers; one that is not known (any more) is not shown as it was."""
        self._lags.clear()
        self._lag_ages.clear()
        for lag in lags:
            self._lags.labels(lag.subscriber).set(lag.events)
            self._lag_ages.labels(lag.subscriber).set(lag.oldest_seconds)

    def show_queues(self, queues: Mapping[str, QueueState | None]) -> None:
        """Set the gauges that come from the broker; NaN where it does not answer."""
        self._messages.clear()
        self._consumers.clear()
        for name, state in queues.items():
            self._messages.labels(name).set(state.messages if state else math.nan)
            self._consumers.labels(name).set(state.consumers if state else math.nan)

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(name, description, labels, registry=self.registry)
