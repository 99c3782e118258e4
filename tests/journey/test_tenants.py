"""Two owners on one server: whatever one of them asks for, nothing of the other's shows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from itertools import takewhile
from pkgutil import iter_modules
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

import services.api.routes
from libs.shared.settings import LimitSettings
from libs.webhooks.settings import WebhookSettings
from services.api.main import create_app
from services.api.settings import ApiSettings
from tests.journey.expect import ABSENT, failed, succeeded
from tests.support.client import AlbumClient
from tests.support.keys import guarded_stack, make_key, with_key
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack

SMALL = picture("PNG", 8, 8)
NAME = "Secret garden"
HOOK = "https://hooks.example/secret"
TO_READ = ["/asyncapi.json", "/docs", "/livez", "/metrics", "/readyz", "/schemas/{name}/{version}.json"]
PUBLIC = {"POST /session", "DELETE /session", *(f"{method} {path}" for method in ("GET", "HEAD") for path in TO_READ)}
"""What answers everybody; every other route of the application has to appear in `ASK` or `LISTS`."""
REFUSING = {"GET /album/thumbnail/get", "HEAD /album/thumbnail/get"}
"""Addresses that belong to an endpoint of another method, and say so."""


@dataclass
class Owned:
    """What one owner has: an album with a finished image in it."""

    client: AlbumClient
    album_id: str
    image_id: str
    webhook_id: str = ABSENT
    event_ids: list[str] = field(default_factory=list)

    @property
    def absent(self) -> Owned:
        """The same of nobody."""
        return Owned(self.client, ABSENT, ABSENT)


Ask = Callable[[AlbumClient, Owned], httpx.Response]


def post(path: str, *names: str, **more: Any) -> Ask:
    def ask(client: AlbumClient, owned: Owned) -> httpx.Response:
        ids = {
            "album_id": owned.album_id,
            "image_id": owned.image_id,
            "job_id": f"{owned.image_id}job",
            "thumbnail_id": owned.album_id + owned.image_id,
            "webhook_id": owned.webhook_id,
        }
        return client.post(path, **{name: ids[name] for name in names}, **more)

    return ask


def get(path: str, method: str = "GET") -> Ask:
    def ask(client: AlbumClient, owned: Owned) -> httpx.Response:
        address = path.format(
            album_id=owned.album_id, image_id=owned.image_id, thumbnail_id=owned.album_id + owned.image_id
        )
        return client.http.request(method, address)

    return ask


IMAGE = ("album_id", "image_id")
IMAGE_ADDRESS, THUMBNAIL_ADDRESS = "/album/{album_id}/image/{image_id}", "/album/thumbnail/{thumbnail_id}"
ASK: dict[str, list[Ask]] = {
    "POST /album/get": [post("/album/get", "album_id")],
    "POST /album/images": [post("/album/images", "album_id")],
    "POST /album/image/upload": [lambda client, owned: client.upload(owned.album_id, SMALL)],
    "POST /album/image/get": [
        post("/album/image/get", *IMAGE),
        post("/album/image/get", *IMAGE, variant="original"),
        post("/album/image/get", *IMAGE, wait_seconds=1),
    ],
    "POST /album/image/info": [post("/album/image/info", *IMAGE)],
    "POST /album/image/delete": [post("/album/image/delete", *IMAGE)],
    "POST /album/thumbnail/get": [post("/album/thumbnail/get", "thumbnail_id")],
    "POST /job/get": [post("/job/get", "job_id"), post("/job/get", "job_id", wait_seconds=1)],
    "POST /job/retry": [post("/job/retry", "job_id")],
    f"GET {IMAGE_ADDRESS}": [get(IMAGE_ADDRESS), get(f"{IMAGE_ADDRESS}?variant=original")],
    f"HEAD {IMAGE_ADDRESS}": [get(IMAGE_ADDRESS, "HEAD")],
    f"GET {THUMBNAIL_ADDRESS}": [get(THUMBNAIL_ADDRESS)],
    f"HEAD {THUMBNAIL_ADDRESS}": [get(THUMBNAIL_ADDRESS, "HEAD")],
    "POST /webhook/create": [post("/webhook/create", "album_id", url=HOOK)],
    "POST /webhook/enable": [post("/webhook/enable", "webhook_id")],
    "POST /webhook/deliveries": [post("/webhook/deliveries", "webhook_id")],
    "POST /webhook/replay": [
        post("/webhook/replay", "webhook_id", since="2026-01-01T00:00:00Z"),
        post("/webhook/replay", "webhook_id", delivery_id=ABSENT),
    ],
    "POST /webhook/test": [post("/webhook/test", "webhook_id")],
    "POST /webhook/delete": [post("/webhook/delete", "webhook_id")],
    "POST /album/delete": [post("/album/delete", "album_id")],
}
"""Every endpoint that takes an id, asked with one; deleting the album comes last."""
LISTS = {
    "POST /album/list",
    "POST /album/create",
    "POST /webhook/list",
    "GET /events",
    "HEAD /events",
    "GET /session",
    "HEAD /session",
}
"""Endpoints that need no id; each has a test of its own here or in `test_sessions`."""


ADMIN = {
    "POST /admin/check",
    "POST /admin/dead-letters",
    "POST /admin/dead-letters/drop",
    "POST /admin/dead-letters/retry",
    "POST /admin/failed",
    "POST /admin/retry",
    "POST /admin/status",
}
"""Endpoints for operators, who see what all owners have."""


def routes() -> set[str]:
    """Every endpoint that the application or its routers have, described or not, so that none can be forgotten."""
    app = create_app(ApiSettings(), LimitSettings(), WebhookSettings())
    ours = [route for route in app.router.routes if isinstance(route, APIRoute)]
    for module in iter_modules(services.api.routes.__path__):
        ours += import_module(f"services.api.routes.{module.name}").router.routes
    return {f"{method} {route.path}" for route in ours for method in route.methods or ()} - REFUSING


@pytest.fixture(scope="module")
def stack(_stacks: StartStack) -> Iterator[Stack]:
    with guarded_stack(_stacks) as started:
        yield started


@pytest.fixture(scope="module")
def anna(stack: Stack) -> Iterator[Owned]:
    with with_key(stack, make_key(stack, "anna")) as client:
        album_id = client.create(NAME)
        job = client.ready(album_id, SMALL, "secret.png")
        events = [event["_id"] for event in stack.database["events"].find({"album_id": album_id})]
        webhook = client.post("/webhook/create", url=HOOK, album_id=album_id).json()["webhook"]
        yield Owned(client, album_id, job["image_id"], webhook["id"], events)


@pytest.fixture(scope="module")
def bob(stack: Stack, anna: Owned) -> Iterator[AlbumClient]:
    with with_key(stack, make_key(stack, "bob")) as client:
        yield client


def test_every_endpoint_of_the_application_is_tried() -> None:
    assert routes() == PUBLIC | LISTS | ADMIN | set(ASK)


@pytest.mark.parametrize("route", ASK)
def test_what_another_owner_has_does_not_exist(anna: Owned, bob: AlbumClient, route: str) -> None:
    for ask in ASK[route]:
        theirs, nobodys = ask(bob, anna), ask(bob, anna.absent)

        assert theirs.status_code == 404
        assert (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content)
        differing = {"date", "x-request-id"}
        assert {name: value for name, value in theirs.headers.items() if name not in differing} == {
            name: value for name, value in nobodys.headers.items() if name not in differing
        }


@pytest.mark.parametrize("route", [*ASK, *sorted(LISTS | ADMIN)])
def test_without_a_key_nothing_is_there(stack: Stack, anna: Owned, route: str) -> None:
    method, path = route.split()
    with stack.client() as stranger:
        asks = ASK.get(route, [lambda client, owned: client.http.request(method, path, json={"album_name": "x"})])
        for ask in asks:
            assert ask(stranger, anna).status_code == 401


@pytest.mark.parametrize("route", sorted(ADMIN))
def test_what_all_owners_have_is_for_operators(anna: Owned, bob: AlbumClient, route: str) -> None:
    failed(bob.post(route.split()[1]), 403, "forbidden")


def test_an_image_of_another_owner_is_not_found_through_an_album_of_ones_own(anna: Owned, bob: AlbumClient) -> None:
    mixed = Owned(bob, bob.create(), anna.image_id)

    for route in (
        f"GET {IMAGE_ADDRESS}",
        f"GET {THUMBNAIL_ADDRESS}",
        "POST /album/image/info",
        "POST /album/image/delete",
    ):
        assert ASK[route][0](bob, mixed).status_code == 404


def test_the_list_of_albums_holds_ones_own(anna: Owned, bob: AlbumClient) -> None:
    mine = bob.create("Of my own")

    answer = bob.post("/album/list")

    assert mine in answer.text
    assert anna.album_id not in answer.text
    assert NAME not in answer.text


def test_the_list_of_webhooks_holds_ones_own(anna: Owned, bob: AlbumClient) -> None:
    assert anna.webhook_id in anna.client.post("/webhook/list").text
    assert succeeded(bob.post("/webhook/list"), 200, "webhooks")["webhooks"] == []


def test_a_taken_id_is_the_one_thing_that_shows(anna: Owned, bob: AlbumClient) -> None:
    body = failed(bob.post("/album/create", album_name="Mine", album_id=anna.album_id), 409, "album-exists")

    assert NAME not in json.dumps(body)


def test_an_idempotency_key_is_its_owners_own(anna: Owned, bob: AlbumClient) -> None:
    key = {"idempotency-key": "the same"}
    anna.client.upload(anna.album_id, SMALL, headers=key)

    failed(bob.upload(anna.album_id, SMALL, headers=key), 404, "album-not-found")
    mine = bob.upload(bob.create(), SMALL, headers=key)
    assert mine.status_code == 202
    assert mine.json()["image_id"] not in anna.client.post("/album/images", album_id=anna.album_id).text


def test_an_event_stream_tells_of_ones_own_alone(anna: Owned, bob: AlbumClient) -> None:
    with bob.http.stream("GET", "/events", headers={"last-event-id": anna.event_ids[0]}) as events:
        secret = anna.client.create(NAME)
        anna.client.upload(anna.album_id, SMALL)
        mine = bob.create()
        told = list(takewhile(lambda line: mine not in line, events.iter_lines()))

    assert "event: reset" in told, "an event of another is one that the log does not have"
    assert secret not in "".join(told)
    assert anna.album_id not in "".join(told)


def test_an_event_stream_about_an_album_of_another_stays_silent(anna: Owned, bob: AlbumClient) -> None:
    with bob.http.stream("GET", f"/events?album_id={anna.album_id}") as events:
        anna.client.upload(anna.album_id, SMALL)
        # Until the heartbeat: for a while there was nothing to pass over either.
        told = list(takewhile(lambda line: not line.startswith(":"), events.iter_lines()))

    assert [line for line in told if line.startswith(("id", "data"))] == []


def test_nothing_of_all_this_changed_anything(anna: Owned, bob: AlbumClient) -> None:
    body = succeeded(anna.client.post("/album/get", album_id=anna.album_id), 200, "album_snapshot")

    assert anna.image_id in body["album_snapshot"]["content"]
    assert re.fullmatch(r"image/\w+", get(IMAGE_ADDRESS)(anna.client, anna).headers["content-type"])
