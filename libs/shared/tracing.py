"""Traces across processes: the one place that knows OpenTelemetry.

Without ``ALBUM_TRACING`` nothing is recorded, and OpenTelemetry's own stand-ins pass a caller's trace on untouched.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from libs.shared.settings import SharedSettings

Attributes = Mapping[str, "str | int | bool"]
Kind = Literal["producer", "consumer"]

FLUSH_SECONDS = 5.0
"""How long a stop waits for the last spans to be sent."""

_KINDS = {"producer": SpanKind.PRODUCER, "consumer": SpanKind.CONSUMER}
_TRACER = trace.get_tracer("album")
_PROPAGATOR = TraceContextTextMapPropagator()


@contextmanager
def recording(service: str, settings: SharedSettings) -> Iterator[None]:
    """Record spans within, if the settings say so, and send them where the standard ``OTEL_...`` variables say.

    Raises:
        ModuleNotFoundError: the extra ``tracing`` is not installed.
    """
    if not settings.tracing:
        yield
        return
    # Only here, since they are optional.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.namespace": "album", "service.name": service})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        # Left to itself it may wait half a minute for a collector that does not answer.
        last = threading.Thread(target=provider.shutdown, daemon=True)
        last.start()
        last.join(FLUSH_SECONDS)


def span(name: str, attributes: Attributes | None = None) -> AbstractContextManager[object]:
    """A step of what is being recorded here; where nothing is, nothing."""
    if not trace.get_current_span().is_recording():
        return nullcontext()
    return _TRACER.start_as_current_span(name, attributes=attributes)


def continued(name: str, kind: Kind, traceparent: str | None, attributes: Attributes) -> AbstractContextManager[Span]:
    """A step of what a message continues; it begins a trace of its own if ``traceparent`` is not valid.

    Args:
        name: of the step.
        kind: which side of the broker this is.
        traceparent: W3C trace context as it came from outside (https://www.w3.org/TR/trace-context/).
        attributes: by the semantic conventions.
    """
    return _TRACER.start_as_current_span(name, _parent(traceparent), _KINDS[kind], attributes)


def adopted(traceparent: str | None) -> AbstractContextManager[object]:
    """What a request continues: nothing new where its server span is recorded, else the caller's own step."""
    if not traceparent or trace.get_current_span().get_span_context().is_valid:
        return nullcontext()
    return trace.use_span(trace.get_current_span(_parent(traceparent)))


def _parent(traceparent: str | None) -> Context:
    return _PROPAGATOR.extract({"traceparent": traceparent} if traceparent else {}, Context())


def traceparent() -> str | None:
    """The present step, for others to continue; None outside of any trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def ids() -> dict[str, str]:
    """``trace_id`` and ``span_id`` of the present step in hexadecimal; nothing outside of any trace."""
    present = trace.get_current_span().get_span_context()
    if not present.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(present.trace_id), "span_id": trace.format_span_id(present.span_id)}
