"""The audit beside a running stack: what it records, through kills and absences, and what operators see of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from tests.support.audit import entries, types, wait_for_all
from tests.support.operator import album as command
from tests.support.operator import succeeded
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

WAY = ["image.uploaded.v1", "image.encoded.v1", "thumbnail.created.v1"]


@pytest.fixture(scope="module")
def audited(_stacks: StartStack) -> Iterator[Stack]:
    started = _stacks(audits=1)
    yield started
    started.stop()


def test_who_did_what_and_when_is_recorded_and_no_name(audited: Stack) -> None:
    with audited.client() as client:
        album_id = client.create("A very private name")
        image_id = client.ready(album_id, picture("PNG", 8, 8), name="another-secret.png")["image_id"]
        client.post("/album/image/delete", album_id=album_id, image_id=image_id)
        client.post("/album/delete", album_id=album_id)
    eventually(lambda: "album.deleted.v1" in types(audited, subject=album_id), what="the deletion is recorded")

    assert types(audited, subject=image_id) == [*WAY, "image.deleted.v1"]
    assert types(audited, subject=album_id) == ["album.created.v1", "album.deleted.v1"]
    first = entries(audited, subject=image_id)[0]
    event = audited.database["events"].find_one({"subject": image_id, "sequence": 1}) or {}
    told = {name: event["envelope"][name] for name in ("type", "subject", "sequence", "time", "owner", "actor")}
    assert {name: first[name] for name in told} == told
    assert (first["event_id"], first["album_id"], first["image_id"]) == (event["_id"], album_id, image_id)
    recorded = json.dumps(entries(audited))
    assert "private" not in recorded
    assert "secret" not in recorded


def test_operators_look_at_the_end_and_take_along_what_they_select(audited: Stack) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=5)
    with audited.client() as client:
        album_id, other = client.create(), client.create()
        image_id = client.ready(album_id, picture("PNG", 8, 8))["image_id"]
    eventually(lambda: types(audited, subject=image_id) == WAY, what="all is recorded")
    eventually(lambda: types(audited, subject=other), what="the other album is recorded")

    shown = command(audited.environment, "audit", "tail", "-n", "2").stdout.splitlines()
    of_album = command(audited.environment, "audit", "export", "--album", album_id).stdout.splitlines()
    in_capitals = command(audited.environment, "audit", "export", "--album", album_id.upper()).stdout.splitlines()
    since = command(audited.environment, "audit", "export", "--since", before.isoformat()).stdout.splitlines()
    until = command(audited.environment, "audit", "export", "--until", before.isoformat(), "--album", album_id).stdout

    assert len(shown) == 2
    assert [json.loads(line)["subject"] for line in of_album] == [album_id, image_id, image_id, image_id]
    assert in_capitals == of_album
    assert {json.loads(line)["event_id"] for line in of_album} < {json.loads(line)["event_id"] for line in since}
    assert until == ""


def test_tampering_is_named_and_ends_with_1(audited: Stack) -> None:
    with audited.client() as client:
        client.create()
    wait_for_all(audited)
    [verdict] = succeeded(audited.environment, "audit", "verify")
    anchor = f"{verdict['head']['position']}:{verdict['head']['hash']}"
    assert command(audited.environment, "audit", "verify", "--anchor", anchor).exit_code == 0
    last = audited.database["audit"].find_one({}, sort=[("_id", -1)]) or {}

    audited.database["audit"].update_one({"_id": last["_id"]}, {"$set": {"actor": "nobody"}})
    changed = command(audited.environment, "audit", "verify")
    audited.database["audit"].delete_one({"_id": last["_id"]})
    cut = command(audited.environment, "audit", "verify")
    held = command(audited.environment, "audit", "verify", "--anchor", anchor)
    audited.database["audit"].insert_one(last)

    assert (changed.exit_code, cut.exit_code, held.exit_code) == (1, 0, 1)
    assert f"entry {last['_id']} was changed" in changed.stderr
    assert f"entry {last['_id']} is missing" in held.stderr
    assert command(audited.environment, "audit", "verify", "--anchor", anchor).exit_code == 0


def test_odd_arguments_are_refused(audited: Stack) -> None:
    assert command(audited.environment, "audit", "verify", "--anchor", "17").exit_code == 2
    assert command(audited.environment, "audit", "export", "--since", "yesterday").exit_code == 2
