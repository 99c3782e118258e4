"""What operators and programs ask of a server: health, metrics, and the published contracts."""

from __future__ import annotations

import re
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from deploy.local import rabbitmq
from deploy.local.node import running
from libs.shared.events import EVENTS
from tests.journey.expect import failed, residue, succeeded
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.raw import RawConnection, field, file, form
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

ENDPOINTS = {
    "/album/create": {"post"},
    "/album/get": {"post"},
    "/album/list": {"post"},
    "/album/images": {"post"},
    "/album/delete": {"post"},
    "/album/image/upload": {"post"},
    "/album/image/get": {"post"},
    "/album/image/info": {"post"},
    "/album/image/delete": {"post"},
    "/album/thumbnail/get": {"post"},
    "/job/get": {"post"},
    "/job/retry": {"post"},
    "/album/{album_id}/image/{image_id}": {"get", "head"},
    "/album/thumbnail/{thumbnail_id}": {"get", "head"},
    "/events": {"get", "head"},
}


def test_a_live_server_says_so(album: AlbumClient) -> None:
    succeeded(album.http.get("/livez"), 200)


def test_a_ready_server_says_that_database_and_broker_are_up(album: AlbumClient) -> None:
    body = succeeded(album.http.get("/readyz"), 200, "checks")

    assert body["checks"] == {"database": "up", "broker": "up"}


@pytest.mark.parametrize(
    "path",
    ["/livez", "/readyz", "/metrics", "/docs", "/docs/assets/initializer.js", "/openapi.json", "/asyncapi.json",
     "/schemas/album-created/v1.json", "/session", "/", "/assets/any/styles/page.css"],
)  # fmt: skip
def test_head_tells_of_what_get_would_answer_without_it(album: AlbumClient, path: str) -> None:
    there, asked = album.http.get(path), album.http.head(path)

    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["content-type"] == there.headers["content-type"]
    if path != "/metrics":  # where there is more to tell with each request
        assert asked.headers["content-length"] == there.headers["content-length"]


def test_head_of_the_event_stream_does_not_wait_for_events(album: AlbumClient) -> None:
    asked = album.http.head("/events")

    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["content-type"].startswith("text/event-stream")
    assert album.http.get("/livez").status_code == 200, "the connection is there for the next request"


@pytest.fixture(scope="module")
def without_database(_stacks: StartStack) -> Iterator[AlbumClient]:
    """A client of a server whose database never was there."""
    nobody = "mongodb://127.0.0.1:9/?replicaSet=rs0&serverSelectionTimeoutMS=500"
    stack = _stacks(decoders=0, thumbnailers=0, ALBUM_MONGO_URL=nobody)
    with stack.client() as client:
        yield client
    stack.stop()


def test_a_server_without_its_database_lives_but_is_not_ready(without_database: AlbumClient) -> None:
    assert without_database.http.get("/livez").status_code == 200
    body = without_database.http.get("/readyz")
    assert (body.status_code, body.json()["status"], body.json()["code"]) == (503, "fail", "unavailable")
    assert body.json()["checks"]["database"] == "down"


def test_a_request_that_needs_the_database_is_answered_as_unavailable(without_database: AlbumClient) -> None:
    answer = without_database.post("/album/create", album_name="Summer")

    said = failed(answer, 503, "unavailable")["message"]
    assert said == "the database is not there yet, or is being brought up to date"
    assert int(answer.headers["retry-after"]) > 0


def test_metrics_count_requests_by_route_and_never_by_id(album: AlbumClient) -> None:
    album_id = album.create()
    image_id = album.upload(album_id, picture("PNG", 8, 8)).json()["image_id"]
    album.http.get(f"/album/{album_id}/image/{image_id}")

    answer = album.http.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    assert 'http_route="/album/{album_id}/image/{image_id}"' in answer.text
    assert 'http_route="/album/image/upload"' in answer.text
    assert album_id not in answer.text
    assert "album_uploads_in_flight 0.0" in answer.text


def described(album: AlbumClient) -> dict[str, Any]:
    description: dict[str, Any] = album.http.get("/openapi.json").json()
    return description


def test_every_endpoint_is_described(album: AlbumClient) -> None:
    paths = described(album)["paths"]

    assert {path: set(paths.get(path, ())) for path in ENDPOINTS} == ENDPOINTS


def test_every_refusal_is_described_as_it_is(album: AlbumClient) -> None:
    description = described(album)

    assert "HTTPValidationError" not in description["components"]["schemas"]
    assert set(description["components"]["schemas"]["FailAnswer"]["required"]) == {"status", "code", "message"}
    for path in ENDPOINTS:
        for operation in description["paths"][path].values():
            refusal = operation["responses"]["default"]["content"]["application/json"]["schema"]
            assert refusal == {"$ref": "#/components/schemas/FailAnswer"}


def test_the_upload_is_described_as_a_form_with_a_file(album: AlbumClient) -> None:
    body = described(album)["paths"]["/album/image/upload"]["post"]["requestBody"]

    schema = body["content"]["multipart/form-data"]["schema"]
    assert schema["required"] == ["album_id", "image"]
    image = schema["properties"]["image"]
    assert (image["type"], image["format"]) == ("string", "binary")


def test_the_docs_page_comes_from_this_server_alone(album: AlbumClient) -> None:
    page = album.http.get("/docs")
    used = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.headers["content-type"].startswith("text/html")
    assert len(used) >= 4
    for address in used:
        assert "//" not in address
        assert album.http.get(f"/{address}").status_code == 200, address
    assert not re.search(r"<script(?![^>]*src=)", page.text)
    assert "http://" not in album.http.get("/docs/assets/initializer.js").text


def test_the_docs_assets_are_nothing_else(album: AlbumClient) -> None:
    failed(album.http.get("/docs/assets/nothing.js"), 404, "not-found")
    failed(album.http.get("/docs/assets/%2e%2e/main.py"), 404, "not-found")
    failed(album.post("/docs"), 405, "method-not-allowed")


def test_the_page_is_there(album: AlbumClient) -> None:
    answer = album.http.get("/")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    failed(album.post("/"), 405, "method-not-allowed")


@pytest.mark.parametrize("path", ["/", "/assets/any/styles/page.css", "/docs", "/docs/assets/initializer.js"])
@pytest.mark.parametrize("wanted", ["bytes=0-9", "bytes=9-0", "bytes=a-b", "bytes", "bytes=99999999-", "pages=1-2"])
def test_a_file_of_the_program_is_sent_whole_whatever_range_is_asked_for(
    album: AlbumClient, path: str, wanted: str
) -> None:
    answer = album.http.get(path, headers={"range": wanted})

    assert answer.status_code == 200
    assert answer.content == album.http.get(path).content
    assert "content-range" not in answer.headers
    assert answer.headers["accept-ranges"] == "none"


def test_an_event_is_of_the_schema_that_is_served_where_its_dataschema_points(stack: Stack, album: AlbumClient) -> None:
    event = stack.database["events"].find_one({"subject": album.create()})

    assert event is not None
    schema = httpx.get(event["envelope"]["dataschema"]).json()
    assert schema["title"] == "AlbumCreated"
    jsonschema.validate(event["envelope"]["data"], schema)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.routing_key)
def test_every_event_has_a_schema_that_is_served(album: AlbumClient, event: Any) -> None:
    name, _, version = event.routing_key.rpartition(".")

    answer = album.http.get(f"/schemas/{name.replace('.', '-')}/{version}.json")

    assert answer.status_code == 200
    assert set(answer.json()["properties"]) == set(event.model_fields)


def test_asyncapi_names_both_exchanges_and_every_event(album: AlbumClient) -> None:
    document = album.http.get("/asyncapi.json").json()

    assert document["asyncapi"].startswith("3.")
    assert set(document["components"]["messages"]) == {event.__name__ for event in EVENTS}
    told: dict[str, set[str]] = defaultdict(set)
    for channel in document["channels"].values():
        described = channel["bindings"]["amqp"]
        if described["is"] == "routingKey":
            told[described["exchange"]["name"]] |= set(channel["messages"])
    assert set(told) == {"album.work", "album.events"}
    assert told["album.events"] == {event.__name__ for event in EVENTS} - {"ThumbnailRequested"}


def test_a_server_that_is_told_to_stop_does_not_wait_for_streams_and_long_polls(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    with stack.client() as album, RawConnection(stack.url) as events, RawConnection(stack.url) as poll:
        job_id = album.upload(album.create(), picture("PNG", 8, 8)).json()["job_id"]
        events.begin("GET", "/events")
        events.socket.recv(1000)
        body = f'{{"job_id": "{job_id}", "wait_seconds": 30}}'.encode()
        poll.begin(path="/job/get", content_type="application/json", content_length=len(body))
        poll.send(body)
        eventually(lambda: album.http.get("/livez").status_code == 200, what="both have arrived")
        api = stack.processes["api-0"]

        api.stop(grace_seconds=10)

        assert api.exit_code in (0, -signal.SIGTERM)
        assert poll.answer().json()["job"]["state"] == "queued"


def test_an_upload_that_a_stop_cuts_off_can_be_sent_again_at_once(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_GRACE_SECONDS="0.1")
    content, key = picture("PNG", 640, 480, compress_level=0), {"idempotency-key": "the same"}
    with stack.client() as album, RawConnection(stack.url) as slow:
        album_id = album.create()
        body = form(field("album_id", album_id), file(content))
        slow.begin(content_length=len(body), idempotency_key="the same")
        slow.send(body[:-10])
        eventually(lambda: stack.blobs() or stack.database["fs.chunks"].find_one(), what="some of it is stored")

        stack.processes["api-0"].stop()

        answer = slow.answer()
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert not residue(stack.database)
        stack.start("api")
        assert album.upload(album_id, content, headers=key).status_code == 202


def test_processes_whose_broker_hangs_end_all_the_same(start_stack: StartStack, tmp_path: Path) -> None:
    graces = {f"ALBUM_{of}GRACE_SECONDS": "1" for of in ("", "DECODER_", "AUDIT_")}
    with running(rabbitmq.prepare(tmp_path)) as (broker,):
        stack = start_stack(thumbnailers=0, audits=1, ALBUM_AMQP_URL=broker.url, **graces)
        processes = stack.processes.values()
        broker.pause()

        for process in processes:
            process.terminate()

        eventually(lambda: not any(process.is_running for process in processes), what="all have ended")
        assert {process.exit_code for process in processes} <= {0, -signal.SIGTERM}
