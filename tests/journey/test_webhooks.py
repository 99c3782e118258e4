"""Webhooks as their owners and an operator see them: registered over HTTP, told of what they asked for."""

from __future__ import annotations

import re
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.ports import free_ports
from deploy.local.process import Process
from libs.shared.events import utc_now
from tests.journey import expect
from tests.support.client import AlbumClient
from tests.support.events import subscribed
from tests.support.operator import album, succeeded
from tests.support.receiver import Receiver, status
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tests.support.webhooks import Hook, NewHook

CREATED, DELETED = "io.album.album.created.v1", "io.album.album.deleted.v1"
NOWHERE = "https://receiver.invalid/"
EXAMPLE = Path(__file__).parents[2] / "examples" / "webhook_receiver.py"


def test_a_webhook_is_told_of_what_happens_signed_and_as_it_was_published(
    notified: Stack, notified_client: AlbumClient, hook: NewHook
) -> None:
    one = hook()

    with subscribed(notified.environment["ALBUM_AMQP_URL"]) as published:
        album_id = notified_client.create("Secret name")
        notified_client.post("/album/delete", album_id=album_id)
        one.settled("delivered", "delivered")

    mine = {event.id: event for event in published if event.subject == album_id}
    assert {call.id: call.body for call in one.receiver.calls} == {id: event.to_json() for id, event in mine.items()}
    assert {event.type for event in mine.values()} == {CREATED, DELETED}
    for call in one.receiver.calls:
        call.verify(one.secret)
        assert b"Secret name" not in call.body
        assert call.path == "/hook"


def test_the_secret_is_told_once_and_is_in_no_log(notified: Stack, notified_client: AlbumClient, hook: NewHook) -> None:
    one = hook(status(500))
    notified_client.create()
    eventually(lambda: one.card["failing_since"], what="a failure is noted")

    assert one.secret.startswith("whsec_")
    assert one.card == {
        "id": one.id,
        "url": one.receiver.url + "/hook",
        "album_id": None,
        "types": None,
        "state": "enabled",
        "reason": None,
        "create_date": one.card["create_date"],
        "failing_since": one.card["failing_since"],
    }
    assert expect.is_time(one.card["create_date"])
    assert expect.is_time(one.card["failing_since"])
    everything = [notified.log("api-0"), notified.log("notifier-0"), notified_client.post("/webhook/list").text]
    everything.append(notified_client.post("/webhook/deliveries", webhook_id=one.id).text)
    secret = one.secret.removeprefix("whsec_")
    assert not [text for text in everything if secret in text]


def test_a_webhook_of_one_album_and_of_some_types_gets_only_these(notified_client: AlbumClient, hook: NewHook) -> None:
    album_id = notified_client.create()
    of_album, of_types, of_all = hook(album_id=album_id), hook(types=[DELETED]), hook()

    other_id = notified_client.create()
    for each in (other_id, album_id):
        notified_client.post("/album/delete", album_id=each)
    of_all.settled(*["delivered"] * 3)
    of_album.settled("delivered")
    of_types.settled("delivered", "delivered")

    assert [(call.event.type, call.event.subject) for call in of_album.receiver.calls] == [(DELETED, album_id)]
    assert {call.event.subject for call in of_types.receiver.calls} == {album_id, other_id}
    assert {call.event.type for call in of_types.receiver.calls} == {DELETED}


def test_a_test_event_shows_whether_a_receiver_works(notified_client: AlbumClient, hook: NewHook) -> None:
    one = hook(types=[DELETED])

    answer = expect.succeeded(notified_client.post("/webhook/test", webhook_id=one.id), 202, "delivery_id")
    one.settled("delivered")

    [call] = one.receiver.calls
    call.verify(one.secret)
    [delivery] = one.deliveries
    assert (delivery["id"], delivery["event_id"]) == (answer["delivery_id"], call.id)
    assert delivery["type"] == "io.album.webhook.tested.v1"


def test_calls_are_counted_by_what_came_of_them(notified: Stack, notified_client: AlbumClient, hook: NewHook) -> None:
    def counted(of: str) -> float:
        metrics = httpx.get(f"{notified.probes['notifier-0']}/metrics", timeout=30).text
        return sum(map(float, re.findall(rf"^http_client_request_duration_seconds_count{{{of}}} (.*)", metrics, re.M)))

    answered, unresolved = 'error_type="".*_code="204"', 'error_type="name-not-resolved".*_code=""'
    before = counted(answered), counted(unresolved)
    one = hook(types=[DELETED])
    made = notified_client.post("/webhook/create", url=NOWHERE, types=[DELETED])
    away_id = expect.succeeded(made, 201, "webhook", "secret")["webhook"]["id"]
    for webhook_id in (one.id, away_id):
        notified_client.post("/webhook/test", webhook_id=webhook_id)

    one.settled("delivered")
    eventually(lambda: counted(answered) > before[0], what="the call that was answered is counted")
    eventually(lambda: counted(unresolved) > before[1], what="the call that could not be made is counted")
    notified_client.post("/webhook/delete", webhook_id=away_id)


def test_the_example_receiver_prints_what_happens_once_and_refuses_what_is_not_signed(
    notified_client: AlbumClient, tmp_path: Path
) -> None:
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}/"
    body = expect.succeeded(notified_client.post("/webhook/create", url=url), 201, "webhook", "secret")
    environment = {"WEBHOOK_SECRET": body["secret"]}
    example = Process([sys.executable, str(EXAMPLE), str(port)], env=environment, log=tmp_path / "printed")
    example.start()
    try:
        album_id = notified_client.create()
        notified_client.post("/album/delete", album_id=album_id)
        one = Hook(notified_client, Receiver(url, status(204)), body["webhook"]["id"], body["secret"])
        one.settled("delivered", "delivered")
        notified_client.post("/webhook/replay", webhook_id=one.id, delivery_id=one.deliveries[0]["id"])
        one.settled("delivered", "delivered")
        unsigned = httpx.post(url, json={"id": "forged", "type": "forged", "subject": "forged"})
    finally:
        example.stop()
        notified_client.post("/webhook/delete", webhook_id=body["webhook"]["id"])

    printed = [line for line in (tmp_path / "printed").read_text().splitlines() if line.startswith("io.album")]
    assert sorted(printed) == [f"{CREATED} {album_id}", f"{DELETED} {album_id}"]
    assert unsigned.status_code == 401


def test_a_deleted_webhook_is_not_called_any_more(notified: Stack, notified_client: AlbumClient, hook: NewHook) -> None:
    gone, other = hook(status(500)), hook()
    notified_client.create()
    gone.called(1)

    expect.succeeded(notified_client.post("/webhook/delete", webhook_id=gone.id), 200)
    notified_client.create()
    other.settled("delivered", "delivered")

    expect.failed(notified_client.post("/webhook/deliveries", webhook_id=gone.id), 404, "webhook-not-found")
    expect.failed(notified_client.post("/webhook/delete", webhook_id=gone.id), 404, "webhook-not-found")
    assert len({call.event.subject for call in gone.receiver.calls}) == 1
    assert notified.database["webhook_deliveries"].count_documents({"webhook_id": gone.id}) == 0


def test_webhooks_of_other_owners_do_not_exist(notified: Stack, notified_client: AlbumClient) -> None:
    webhook_id = str(uuid.uuid4())
    theirs = {"_id": webhook_id, "owner": "somebody", "url": "http://a/", "album_id": None, "types": None}
    notified.database["webhooks"].insert_one({**theirs, "create_date": utc_now(), "secret": "whsec_c2VjcmV0"})

    for action in ("enable", "deliveries", "test", "delete"):
        expect.failed(notified_client.post(f"/webhook/{action}", webhook_id=webhook_id), 404, "webhook-not-found")
    replay = notified_client.post("/webhook/replay", webhook_id=webhook_id, since="2026-01-01T00:00:00Z")
    expect.failed(replay, 404, "webhook-not-found")
    assert webhook_id not in notified_client.post("/webhook/list").text
    assert notified.database["webhooks"].find_one({"_id": webhook_id}) is not None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid-request"),
        ({"url": ""}, "invalid-request"),
        ({"url": "ftp://receiver.example/"}, "invalid-request"),
        ({"url": "http://user:secret@receiver.example/"}, "invalid-request"),
        ({"url": "https://receiver.example/" + "x" * 2048}, "invalid-request"),
        ({"url": "https://receiver.example/", "types": []}, "invalid-request"),
        ({"url": "https://receiver.example/", "types": ["io.album.thumbnail.requested.v1"]}, "invalid-request"),
        ({"url": "https://receiver.example/", "album_id": "no id"}, "invalid-request"),
        ({"url": "http://127.0.0.2/"}, "address-not-allowed"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "address-not-allowed"),
    ],
)
def test_what_cannot_become_a_webhook_is_refused(notified_client: AlbumClient, body: dict[str, Any], code: str) -> None:
    expect.failed(notified_client.post("/webhook/create", **body), 422, code)


def test_a_webhook_of_an_album_that_is_not_there_is_refused(notified_client: AlbumClient) -> None:
    answer = notified_client.post("/webhook/create", url="https://receiver.example/", album_id=expect.ABSENT)

    expect.failed(answer, 404, "album-not-found")


@pytest.mark.parametrize(
    "which",
    [
        {},
        {"delivery_id": expect.ABSENT, "since": "2026-01-01T00:00:00Z"},
        {"since": "2026-01-01T00:00:00"},
        {"since": "0001-01-01T00:00:00+23:59"},
        {"since": "9999-12-31T23:59:59-23:59"},
    ],
)
def test_a_replay_needs_a_delivery_or_a_time(notified_client: AlbumClient, which: dict[str, str]) -> None:
    expect.failed(notified_client.post("/webhook/replay", webhook_id=expect.ABSENT, **which), 422, "invalid-request")


def test_an_operator_who_sees_a_part_of_the_deliveries_is_told_so(
    notified: Stack, notified_client: AlbumClient, hook: NewHook
) -> None:
    one = hook()
    for _ in range(2):
        notified_client.create()
    one.settled("delivered", "delivered")

    some, all_of_them = (
        album(notified.environment, "webhooks", "deliveries", one.id, "--limit", most) for most in ("1", "2")
    )

    assert some.stderr == "There are more than these 1: see --limit.\n"
    assert all_of_them.stderr == ""


def test_an_operator_sees_webhooks_and_deliveries_and_can_replay(
    notified: Stack, notified_client: AlbumClient, hook: NewHook
) -> None:
    one = hook()
    notified_client.create()
    one.settled("delivered")

    listed = succeeded(notified.environment, "webhooks", "list")
    [delivery] = succeeded(notified.environment, "webhooks", "deliveries", one.id.upper())
    table = album(notified.environment, "webhooks", "list").stdout
    replayed = [
        album(notified.environment, "webhooks", "replay", one.id, *which)
        for which in (("--delivery", delivery["id"]), ("--since", delivery["create_date"]))
    ]
    one.called(2)
    one.settled("delivered")

    assert one.id in [each["id"] for each in listed]
    assert one.id in table
    assert one.secret not in f"{listed} {table}"
    assert (delivery["state"], delivery["last_attempt"]) == ("delivered", "204")
    assert [done.exit_code for done in replayed] == [0, 0]
    assert album(notified.environment, "webhooks", "replay", one.id).exit_code == 2
    assert album(notified.environment, "webhooks", "deliveries", expect.ABSENT).exit_code == 1
