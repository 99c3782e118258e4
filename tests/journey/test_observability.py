"""What operators see of running processes: health, metrics, and lines of the log that belong together."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.shared.metrics import Metrics
from tests.journey.expect import failed
from tests.support import promql
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
OF_TARGETS = {"instance", "job"}
"""Labels that Prometheus itself puts on all that it reads."""
CORRUPT = picture("PNG", 64, 48)[:200]


@pytest.fixture(scope="module")
def used(_stacks: StartStack) -> Iterator[Stack]:
    """A stack with its audit that logs JSON and through which a good and a broken picture have gone."""
    started = _stacks(ALBUM_LOG_FORMAT="json")
    started.start("audit")
    with started.client() as album:
        album_id = album.create()
        album.ready(album_id, picture("JPEG", 64, 48), name="holiday-of-mine.jpg")
        album.settled(album.upload(album_id, CORRUPT, name="broken-of-mine.png"))
    yield started
    started.stop()


def addresses(stack: Stack) -> dict[str, str]:
    return {"api-0": stack.url, **stack.probes}


def exposition(stack: Stack, process: str) -> str:
    return httpx.get(f"{addresses(stack)[process]}/metrics", timeout=30).text


def value(exposition: str, series: str) -> float:
    """The value of one series, written as it is exposed."""
    [found] = re.findall(rf"^{re.escape(series)} (\S+)$", exposition, re.MULTILINE)
    return float(found)


def lines(stack: Stack, process: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stack.log(process).splitlines() if line.startswith("{")]


@pytest.mark.parametrize("process", ["api-0", "decoder-0", "thumbnailer-0", "audit-0"])
def test_every_process_lives_is_ready_and_says_what_nothing_is(used: Stack, process: str) -> None:
    with httpx.Client(base_url=addresses(used)[process], timeout=30) as probe:
        assert (probe.get("/livez").status_code, probe.get("/livez").json()["status"]) == (200, "success")
        ready = probe.get("/readyz")
        assert (ready.status_code, set(ready.json()["checks"].values())) == (200, {"up"})
        assert (probe.get("/nothing").status_code, probe.get("/nothing").json()["code"]) == (404, "not-found")


def test_a_stage_counts_messages_bytes_and_time(used: Stack) -> None:
    seen = exposition(used, "decoder-0")

    queue = 'messaging_destination_name="album.decoder.v1"'
    consumed = f'{{{queue},messaging_operation_name="deliver",messaging_system="rabbitmq"}}'
    assert value(seen, f"messaging_client_consumed_messages_total{consumed}") == 2
    processed = f'{{error_type="",{queue},messaging_operation_name="process",messaging_system="rabbitmq"}}'
    assert value(seen, f"messaging_process_duration_seconds_count{processed}") == 2
    to_work = 'messaging_destination_name="album.work"'
    sent = f'{{error_type="",{to_work},messaging_operation_name="publish",messaging_system="rabbitmq"}}'
    assert value(seen, f"messaging_client_sent_messages_total{sent}") == 2
    originals = [blob["length"] for blob in used.blobs(kind="original")]
    assert value(seen, 'album_gridfs_bytes_total{direction="read"}') == sum(originals)
    assert value(seen, 'album_gridfs_bytes_total{direction="write"}') > 0
    assert value(seen, "process_resident_memory_bytes") > 0


def test_a_subscriber_counts_what_it_is_told(used: Stack) -> None:
    queue = 'messaging_destination_name="album.audit.v1",messaging_operation_name="deliver"'
    series = f'messaging_client_consumed_messages_total{{{queue},messaging_system="rabbitmq"}}'
    told = used.database["events"].count_documents({"is_public": True})

    eventually(lambda: value(exposition(used, "audit-0"), series) >= told, what="it is told everything")


def test_the_api_counts_images_and_sees_log_and_queues(used: Stack) -> None:
    def seen() -> str:
        return exposition(used, "api-0")

    eventually(lambda: value(seen(), "album_outbox_pending") == 0, what="everything is published")
    assert value(seen(), "album_outbox_oldest_age_seconds") == 0
    assert value(seen(), "album_images_stuck") == 0
    assert value(seen(), "album_dead_letters") == 0
    assert value(seen(), "album_uploads_in_flight") == 0
    assert value(seen(), 'album_images_finished_total{outcome="ready"}') == 1
    [failure] = used.database["images"].find({"state": "failed"})
    assert value(seen(), f'album_images_finished_total{{outcome="{failure["code"]}"}}') == 1
    for stage in ("decoder", "thumbnailer"):
        assert value(seen(), f'album_stage_duration_seconds_count{{stage="{stage}"}}') == 1
        assert value(seen(), f'album_queue_messages{{queue="album.{stage}.v1"}}') == 0
        assert value(seen(), f'album_queue_consumers{{queue="album.{stage}.v1"}}') == 1


def test_an_api_without_its_database_says_that_it_does_not_know(start_stack: StartStack) -> None:
    nobody = "mongodb://127.0.0.1:9/?replicaSet=rs0&serverSelectionTimeoutMS=500"
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_MONGO_URL=nobody)

    seen = exposition(stack, "api-0")

    assert "album_outbox_pending NaN" in seen
    assert value(seen, 'album_queue_consumers{queue="album.api.v1"}') == 1


def test_dashboard_alerts_and_documentation_ask_only_for_what_is_there(used: Stack) -> None:
    exposed: set[str] = set().union(*(promql.exposed_names(exposition(used, name)) for name in addresses(used)))
    table = OPERATIONS.read_text().partition("| metric |")[2].partition("\n\n")[0]
    documented = {name for row in table.splitlines() for name in re.findall(r"`([a-z_]+)`", row.split("|", 2)[1])}

    asked = {name: promql.metric_names(expression) for name, expression in promql.alerts().items()}
    for title, expressions in promql.panels().items():
        asked[title] = set().union(*map(promql.metric_names, expressions))
    assert len(asked) > 25
    assert all(asked[name] for name in asked if name not in ("AlbumDown", "Up"))
    assert {name: unknown for name, names in asked.items() if (unknown := names - exposed)} == {}
    own = {name for name in exposed if name.startswith("album_") and not name.endswith(("_created", "_bucket", "_sum"))}
    assert {name.removesuffix("_count") for name in own} <= documented <= exposed


def test_dashboard_and_alerts_ask_only_for_labels_that_are_there(used: Stack) -> None:
    rare = Metrics()
    rare.count_child_exit("decode-timeout")
    rare.observe_call(0.1, 200, None)
    seen = [*(exposition(used, name) for name in addresses(used)), rare.exposition().decode()]
    exposed: set[tuple[str, str]] = set().union(*map(promql.labels_exposed, seen))

    asked = {name: promql.labels_asked(expression) for name, expression in promql.alerts().items()}
    for title, expressions in promql.panels().items():
        asked[title] = set().union(*map(promql.labels_asked, expressions))
    assert len(set().union(*asked.values())) > 10
    unknown = {name: {one for one in labels - exposed if one[1] not in OF_TARGETS} for name, labels in asked.items()}
    assert {name: labels for name, labels in unknown.items() if labels} == {}


@pytest.mark.parametrize("rule", promql.rules(), ids=lambda rule: rule["alert"])
def test_an_alert_names_only_labels_that_its_expression_keeps(rule: dict[str, Any]) -> None:
    named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    kept = OF_TARGETS if rule["expr"].startswith("up{") else promql.labels_kept(rule["expr"])

    assert named <= kept


def test_every_alert_has_its_paragraph_for_the_one_who_is_woken_by_it() -> None:
    assert set(promql.alerts()) == set(re.findall(r"^\*\*(Album\w+)\*\*", OPERATIONS.read_text(), re.MULTILINE))


def test_a_request_is_one_line_that_says_what_was_asked_and_how_it_ended(used: Stack) -> None:
    request_id = f"test.{secrets.token_hex(8)}"
    with used.client() as album:
        accepted = album.upload(album.create(), picture("PNG", 8, 8), headers={"x-request-id": request_id})

    def told() -> list[dict[str, Any]]:
        return [line for line in lines(used, "api-0") if line.get("request_id") == request_id]

    # The line is written once the answer is sent.
    eventually(told, what="the line of the request")
    [line] = told()
    assert (line["service"], line["level"], line["event"]) == ("api", "info", "request")
    assert (line["method"], line["route"], line["status"]) == ("POST", "/album/image/upload", 202)
    assert line["image_id"] == accepted.json()["image_id"]
    assert 0 < line["duration_seconds"] < 60


def test_what_a_stage_says_of_a_picture_leads_back_to_its_request_and_trace(used: Stack) -> None:
    request_id, trace_id = f"test.{secrets.token_hex(8)}", secrets.token_hex(16)
    headers = {"x-request-id": request_id, "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
    with used.client() as album:
        accepted = album.upload(album.create(), CORRUPT, headers=headers)
        album.settled(accepted)

    [line] = [line for line in lines(used, "decoder-0") if line.get("correlation_id") == request_id]
    assert (line["service"], line["event"]) == ("decoder", "rejected")
    assert (line["image_id"], line["trace_id"]) == (accepted.json()["image_id"], trace_id)
    assert line["event_id"]


def test_names_of_files_and_albums_stay_out_of_the_log(used: Stack) -> None:
    assert not [name for name in addresses(used) if "of-mine" in used.log(name)]


@pytest.mark.parametrize("given", ["has spaces", "new\tline", "x" * 129, "<b>"])
def test_a_request_id_that_is_not_plain_is_replaced(album: AlbumClient, given: str) -> None:
    answer = album.http.get("/livez", headers={"x-request-id": given})

    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/nothing"), ("POST", "/"), ("POST", "/album/get"), ("GET", "/docs")]
)
def test_every_answer_carries_the_request_id(album: AlbumClient, method: str, path: str) -> None:
    answer = album.http.request(method, path, headers={"x-request-id": "mine"})

    assert answer.headers["x-request-id"] == "mine"


def test_an_answer_to_a_bug_looks_like_every_other(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    with stack.client() as album:
        album_id = album.create()
        # What no version of ours has written stands for the bug that nobody foresaw.
        stack.database["albums"].update_one({"_id": album_id}, {"$set": {"content_count": "many"}})

        answer = album.http.post("/album/get", json={"album_id": album_id}, headers={"x-request-id": "mine"})

    failed(answer, 500, "internal")
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert stack.log("api-0").count("Traceback") == 1
