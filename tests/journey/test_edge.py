"""Album as the world sees it: behind nginx with TLS, configured as ``deploy/nginx/album.conf`` says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.journey.expect import failed
from tests.support import raw
from tests.support.client import AlbumClient
from tests.support.nginx import Edge, running_nginx
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

PREFIX = "/photos"
ORIGIN = "https://gallery.example.org"


@pytest.fixture(scope="module")
def edge(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with running_nginx(tmp_path_factory.mktemp("nginx"), stack.url) as running:
        yield running


@pytest.fixture
def outside(edge: Edge) -> Iterator[AlbumClient]:
    with edge.client() as http:
        yield AlbumClient(http)


def test_a_picture_goes_through_and_its_ranges_come_back(outside: AlbumClient) -> None:
    album_id = outside.create()
    job = outside.ready(album_id, picture("JPEG", 640, 480))
    address = f"/album/{album_id}/image/{job['image_id']}"
    whole = outside.http.get(address)

    part = outside.http.get(address, headers={"range": "bytes=100-199"})
    again = outside.http.get(address, headers={"if-none-match": whole.headers["etag"]})

    assert whole.headers["content-length"] == str(len(whole.content))
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    assert again.status_code == 304


def test_an_upload_is_stored_while_it_is_still_being_sent(outside: AlbumClient, stack: Stack) -> None:
    album_id = outside.create()
    content = picture("PNG", 1920, 1080, compress_level=0)
    half = len(content) // 2

    def chunks() -> int:
        names = [intent["blob_id"] for intent in stack.database["images"].find({"state": "receiving"})]
        return stack.database["fs.chunks"].count_documents({"files_id": {"$in": names}})

    def pieces() -> Iterator[bytes]:
        yield raw.field("album_id", album_id) + raw.file_head() + content[:half]
        eventually(lambda: chunks() > 0, what="the first half is stored")
        yield content[half:] + b"\r\n" + raw.END

    form = {"content-type": f"multipart/form-data; boundary={raw.BOUNDARY}"}
    accepted = outside.http.post(raw.UPLOAD, content=pieces(), headers=form)

    assert outside.settled(accepted)["state"] == "ready"


def test_a_file_that_is_too_large_is_refused_in_our_words_before_it_is_sent(edge: Edge, outside: AlbumClient) -> None:
    address = urlsplit(edge.url)
    with raw.RawConnection(edge.url) as connection:
        connection.socket = edge.trust.wrap_socket(connection.socket, server_hostname=address.hostname)
        connection.begin(content_length=60_000_000)
        connection.send(raw.field("album_id", outside.create()) + raw.file_head())

        answer = connection.answer()

    assert (answer.status_code, answer.json()["code"]) == (413, "file-too-large")


def test_events_arrive_when_they_happen(outside: AlbumClient) -> None:
    with outside.http.stream("GET", "/events", timeout=20) as events:
        lines = events.iter_lines()
        album_id = outside.create()

        data = next(line for line in lines if line.startswith("data:") and album_id in line)

    assert json.loads(data.removeprefix("data:"))["type"] == "io.album.album.created.v1"


def test_the_metrics_are_not_for_the_outside(outside: AlbumClient) -> None:
    assert outside.http.get("/metrics").status_code == 404


@pytest.fixture(scope="module")
def below(_stacks: StartStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    stack = _stacks(decoders=0, thumbnailers=0, ALBUM_ROOT_PATH=PREFIX, ALBUM_CORS_ORIGINS=f"{ORIGIN}, https://b.org")
    with running_nginx(tmp_path_factory.mktemp("nginx"), stack.url, PREFIX) as running:
        yield running
    stack.stop()


def test_everything_is_there_below_a_prefix(below: Edge) -> None:
    with below.client() as http:
        client = AlbumClient(http)
        accepted = client.upload(client.create(), picture("PNG", 8, 8))
        assert accepted.status_code == 202, accepted.text
        script, style = "/assets/any/scripts/main.js", "/docs/assets/swagger-ui.css"
        for path in ("/", script, "/docs", style, "/asyncapi.json", "/readyz"):
            assert http.get(path).status_code == 200, path
        failed(http.get("/docs/assets/nothing"), 404, "not-found")
        description = http.get("/openapi.json").json()

    assert description["servers"] == [{"url": PREFIX}]


def test_pages_of_named_origins_may_call_and_read_what_they_need(below: Edge) -> None:
    wanted = "authorization,content-type,idempotency-key,if-none-match,if-range,last-event-id,range"
    ask = {"origin": ORIGIN, "access-control-request-method": "POST", "access-control-request-headers": wanted}
    with below.client() as http:
        allowed = http.options("/album/image/upload", headers=ask)
        answer = http.post("/album/get", json={}, headers={"origin": ORIGIN})
        foreign = http.post("/album/get", json={}, headers={"origin": "https://evil.example"})

    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in allowed.headers
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (422, ORIGIN)
    assert "retry-after" in answer.headers["access-control-expose-headers"].lower()
    assert "access-control-allow-origin" not in foreign.headers


def test_pages_of_named_origins_may_have_their_requests_followed(below: Edge) -> None:
    sent = {"x-request-id": "mine", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    wanted = ",".join([*sent, "tracestate"])
    ask = {"origin": ORIGIN, "access-control-request-method": "POST", "access-control-request-headers": wanted}
    with below.client() as http:
        allowed = http.options("/album/list", headers=ask)
        answer = http.post("/album/list", json={}, headers={"origin": ORIGIN, **sent})

    assert allowed.status_code == 200, allowed.text
    assert answer.headers["x-request-id"] == "mine"
    assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()


def test_no_origin_is_allowed_unless_it_is_named(outside: AlbumClient) -> None:
    answer = outside.http.post("/album/create", json={"album_name": "a"}, headers={"origin": ORIGIN})

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert not [name for name in answer.headers if name.startswith("access-control")]
