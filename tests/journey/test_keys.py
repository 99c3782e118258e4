"""Keys: made, shown once, used, and no use any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.journey.expect import ABSENT, failed, succeeded
from tests.support.client import AlbumClient
from tests.support.keys import keys_are_demanded, make_key, with_key
from tests.support.operator import album as run_album
from tests.support.operator import succeeded as run_well
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

SMALL = picture("PNG", 8, 8)


@pytest.fixture(scope="module")
def anna(guarded: Stack) -> Iterator[AlbumClient]:
    with with_key(guarded, make_key(guarded, "anna")) as client:
        yield client


def test_a_key_opens_what_its_owner_has(guarded: Stack, anna: AlbumClient) -> None:
    album_id = anna.create()

    with with_key(guarded, make_key(guarded, "anna", "read")) as reader:
        succeeded(reader.post("/album/get", album_id=album_id), 200, "album_snapshot")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer x",
        "Basic YTpi",
        f"Bearer album_{'0' * 16}_{'0' * 64}",
        f"Bearer album_{'0' * 16}",
        "Bearer \u00e9",
    ],
)
def test_without_a_valid_key_nothing_is_answered(guarded: Stack, header: str) -> None:
    answer = httpx.post(f"{guarded.url}/album/list", json={}, headers=[(b"authorization", header.encode("latin-1"))])

    failed(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_with_one_digit_changed_is_no_key(guarded: Stack) -> None:
    token = make_key(guarded, "anna")
    changed = token[:-1] + ("0" if token[-1] != "0" else "1")

    with with_key(guarded, changed) as nobody:
        failed(nobody.post("/album/list"), 401, "unauthorized")


def test_a_key_is_asked_for_before_a_request_is_looked_at(guarded: Stack) -> None:
    failed(httpx.post(f"{guarded.url}/album/get", json={"album_id": "no id"}), 401, "unauthorized")


def test_a_key_counts_however_its_scheme_is_spelled(guarded: Stack) -> None:
    token = make_key(guarded, "anna")

    assert httpx.post(f"{guarded.url}/album/list", json={}, headers={"authorization": f"bearer {token}"}).is_success


def test_a_key_that_may_only_read_changes_nothing(guarded: Stack, anna: AlbumClient) -> None:
    album_id = anna.create()
    image_id = anna.upload(album_id, SMALL).json()["image_id"]
    ids = {"album_id": album_id, "image_id": image_id}

    with with_key(guarded, make_key(guarded, "anna", "read")) as reader:
        failed(reader.post("/album/create", album_name="Summer"), 403, "forbidden")
        failed(reader.upload(album_id, SMALL), 403, "forbidden")
        failed(reader.post("/album/image/delete", **ids), 403, "forbidden")
        failed(reader.post("/album/delete", album_id=album_id), 403, "forbidden")
        failed(reader.post("/job/retry", job_id=f"{image_id}job"), 403, "forbidden")
        failed(reader.post("/album/image/get", **ids, variant="original"), 403, "forbidden")
        failed(reader.http.get(f"/album/{album_id}/image/{image_id}?variant=original"), 403, "forbidden")
        failed(reader.http.get(f"/album/{ABSENT}/image/{ABSENT}?variant=original"), 403, "forbidden")
        succeeded(reader.post("/album/image/info", **ids), 200, "image")


def test_a_key_that_may_only_write_reads_nothing(guarded: Stack, anna: AlbumClient) -> None:
    album_id = anna.create()

    with with_key(guarded, make_key(guarded, "anna", "write")) as writer:
        assert writer.upload(album_id, SMALL).status_code == 202
        failed(writer.post("/album/get", album_id=album_id), 403, "forbidden")
        failed(writer.http.get("/events"), 403, "forbidden")


def test_a_revoked_key_is_no_use_within_seconds(guarded: Stack) -> None:
    token = make_key(guarded, "anna")
    with with_key(guarded, token) as client:
        assert client.post("/album/list").status_code == 200

        run_album(guarded.environment, "keys", "revoke", token.split("_")[1])

        eventually(lambda: client.post("/album/list").status_code == 401, 10, "the key is refused")


def test_a_key_ends_when_it_was_to_end(guarded: Stack) -> None:
    with with_key(guarded, make_key(guarded, "anna", "read", "--expires-days", "0.00003")) as client:
        eventually(lambda: client.post("/album/list").status_code == 401, 10, "the key is refused")


def test_events_stop_when_their_key_is_revoked(guarded: Stack, anna: AlbumClient) -> None:
    token = make_key(guarded, "anna", "read")
    with with_key(guarded, token) as reader, reader.http.stream("GET", "/events") as events:
        lines = events.iter_lines()
        assert next(lines).startswith("retry")
        run_album(guarded.environment, "keys", "revoke", token.split("_")[1])
        eventually(lambda: reader.post("/album/list").status_code == 401, 10, "the key is refused")

        anna.create("Secret")

        assert list(lines) == [""]


def test_only_hashes_are_kept_and_nothing_secret_is_listed_or_logged(guarded: Stack) -> None:
    token = make_key(guarded, "anna")
    with with_key(guarded, token) as client:
        client.post("/album/list")
    secret = token.split("_")[2]

    listed = run_album(guarded.environment, "keys", "list", "--json").stdout

    assert token.split("_")[1] in listed
    assert secret not in listed + run_album(guarded.environment, "keys", "list").stdout + guarded.log("api-0")
    for collection in guarded.database.list_collection_names():
        assert secret not in str(list(guarded.database[collection].find()))


def test_a_key_needs_a_name_and_scopes_that_there_are(guarded: Stack) -> None:
    for options in (("--owner", "Anna Smith"), ("--owner", ""), ("--owner", "anna", "--scopes", "all")):
        done = run_album(guarded.environment, "keys", "create", *options)

        assert (done.exit_code, done.stdout) == (1, "")


def test_a_key_that_does_not_exist_cannot_be_revoked(guarded: Stack) -> None:
    assert run_album(guarded.environment, "keys", "revoke", "0" * 16).exit_code == 1


def test_the_first_keys_owner_inherits_what_was_made_before(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    with stack.client() as nobody:
        album_id = nobody.create()
        job_id = nobody.upload(album_id, SMALL).json()["job_id"]

    [first] = run_well(stack.environment, "keys", "create", "--owner", "anna")
    second = make_key(stack, "bob")
    keys_are_demanded(stack)

    assert first["owner"] == "anna"
    with with_key(stack, first["key"]) as anna, with_key(stack, second) as bob:
        assert anna.job(job_id)["state"] == "queued"
        assert anna.post("/album/list").json()["albums"][0]["id"] == album_id
        failed(bob.post("/album/get", album_id=album_id), 404, "album-not-found")
    assert run_album(stack.environment, "keys", "create", "--owner", "local").exit_code == 1


def test_revoking_the_last_key_does_not_open_the_server_again(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    token = make_key(stack, "anna")
    keys_are_demanded(stack)

    run_album(stack.environment, "keys", "revoke", token.split("_")[1])
    stack.start("api", 1)

    assert httpx.post(f"{stack.urls[1]}/album/list", json={}).status_code == 401


def test_one_key_gets_no_more_than_its_share_of_requests(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_REQUESTS_PER_SECOND="0.5")
    busy, quiet = make_key(stack, "anna"), make_key(stack, "anna")
    keys_are_demanded(stack)

    with with_key(stack, busy) as one, with_key(stack, quiet) as other:
        answers = [one.post("/album/list") for _ in range(6)]

        failed(answers[-1], 429, "rate-limited")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 2
        assert other.post("/album/list").status_code == 200
        eventually(lambda: one.post("/album/list").status_code == 200, 10, "it may ask again")


def test_one_key_keeps_nobody_out_by_requests_that_go_on(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_MAX_CONNECTIONS="20", ALBUM_MAX_REQUESTS_PER_KEY="4")
    busy, quiet = make_key(stack, "anna", "read"), make_key(stack, "bob")
    keys_are_demanded(stack)

    with with_key(stack, busy) as one, with_key(stack, quiet) as other, ExitStack() as streams:
        opened = [streams.enter_context(one.http.stream("GET", "/events")) for _ in range(25)]

        assert [answer.status_code for answer in opened] == [200] * 4 + [429] * 21
        assert other.post("/album/list").status_code == 200
        streams.close()
        eventually(lambda: one.post("/album/list").status_code == 200, 10, "it may ask again")


def test_the_description_names_the_key(guarded: Stack) -> None:
    description = json.loads(httpx.get(f"{guarded.url}/openapi.json").text)

    assert description["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert description["paths"]["/album/list"]["post"]["security"] == [{"key": []}]
