"""One upload is one trace, from the request through log, broker and stages until the picture is ready."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.support.collector import Collector, Span, collecting
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

UPLOAD = ("api", "POST /album/image/upload")
DECODING = ("decoder", "process album.decoder.v1")
SHRINKING = ("thumbnailer", "process album.thumbnailer.v1")
APPLYING = ("api", "process album.api.v1")
PARENTS = {
    ("api", "store blob"): {UPLOAD},
    ("api", "send album.work"): {UPLOAD},
    ("api", "send album.events"): {UPLOAD, APPLYING},
    DECODING: {UPLOAD},
    ("decoder", "decode_file"): {DECODING},
    ("decoder", "store blob"): {DECODING},
    ("decoder", "send album.work"): {DECODING},
    SHRINKING: {DECODING},
    ("thumbnailer", "shrink_file"): {SHRINKING},
    ("thumbnailer", "store blob"): {SHRINKING},
    ("thumbnailer", "send album.work"): {SHRINKING},
    APPLYING: {DECODING, SHRINKING},
}
"""The steps of one upload by service, each with what it is a part or a consequence of."""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced(_stacks: StartStack, collector: Collector) -> Iterator[Stack]:
    started = _stacks(
        ALBUM_TRACING="true",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_BSP_SCHEDULE_DELAY="100",
    )
    yield started
    started.stop()


def uploaded(stack: Stack, **headers: str) -> httpx.Response:
    """The answer to an upload that has become ready since."""
    with stack.client() as album:
        accepted = album.upload(album.create(), picture("HEIC", 64, 48), headers=headers)
        assert album.settled(accepted)["state"] == "ready"
    return accepted


def step(span: Span) -> tuple[str, str]:
    return span.service, span.name


def test_one_upload_is_one_trace_that_continues_the_callers(traced: Stack, collector: Collector) -> None:
    trace_id, caller_id = secrets.token_hex(16), secrets.token_hex(8)

    uploaded(traced, traceparent=f"00-{trace_id}-{caller_id}-01")

    def is_whole() -> bool:
        seen = Counter(step(span) for span in collector.trace(trace_id))
        return set(PARENTS) <= set(seen) and seen["api", "process album.api.v1"] == 2

    eventually(is_whole, what="every step of the trace is there")
    by_id = {span.span_id: span for span in collector.trace(trace_id)}
    for span in by_id.values():
        if span.parent_id == caller_id:
            assert step(span) == ("api", "POST /album/image/upload")
        else:
            assert step(by_id[span.parent_id]) in PARENTS[step(span)], span


def test_a_trace_header_that_is_not_one_begins_a_new_trace_and_travels_nowhere(
    traced: Stack, collector: Collector
) -> None:
    image_id = uploaded(traced, traceparent="00-not-a-trace<script>-01").json()["image_id"]

    events = list(traced.database["events"].find({"subject": image_id}))
    [trace_id] = {event["envelope"]["traceparent"].split("-")[1] for event in events}
    eventually(lambda: any(span.name == "shrink_file" for span in collector.trace(trace_id)), what="the trace")


def test_without_tracing_the_callers_trace_is_passed_on_all_the_same(stack: Stack) -> None:
    traceparent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"

    image_id = uploaded(stack, traceparent=traceparent).json()["image_id"]

    events = list(stack.database["events"].find({"subject": image_id}))
    assert len(events) == 3
    assert {event["envelope"]["traceparent"] for event in events} == {traceparent}
