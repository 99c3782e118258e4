"""The session of the web page: what its cookie is, what it opens, and what other sites' pages cannot do with it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from threading import Barrier

import httpx
import pytest

from libs.shared.events import utc_now
from tests.journey.expect import failed, succeeded
from tests.support.client import AlbumClient
from tests.support.keys import make_key
from tests.support.operator import album as run_album
from tests.support.pictures import picture
from tests.support.stack import Stack
from tests.support.waiting import eventually

SMALL = picture("PNG", 8, 8)
HTTPS = {"x-forwarded-proto": "https"}


@pytest.fixture
def page(guarded: Stack) -> Iterator[AlbumClient]:
    """A client with nothing but the cookie of a session."""
    with guarded.client() as client:
        assert client.post("/session", key=make_key(guarded, "anna")).status_code == 201
        yield client


def test_signing_in_tells_for_whom_and_how_long(guarded: Stack) -> None:
    answer = httpx.post(f"{guarded.url}/session", json={"key": make_key(guarded, "anna", "read")})

    session = succeeded(answer, 201, "session", "limits")["session"]
    assert (session["owner"], session["scopes"]) == ("anna", ["read"])
    assert session["expire_date"] > "2026"


def test_the_cookie_opens_pictures_and_events_and_takes_uploads(page: AlbumClient) -> None:
    album_id = page.create()
    image_id = page.upload(album_id, SMALL).json()["image_id"]

    assert page.http.get(f"/album/{album_id}/image/{image_id}?variant=original").content == SMALL
    with page.http.stream("GET", "/events") as events:
        assert events.status_code == 200
    assert succeeded(page.http.get("/session"), 200, "session", "limits")["session"]["owner"] == "anna"


@pytest.mark.parametrize("key", ["", "x", f"album_{'0' * 16}_{'0' * 64}"])
def test_no_session_is_opened_without_a_valid_key(guarded: Stack, key: str) -> None:
    answer = httpx.post(f"{guarded.url}/session", json={"key": key})

    failed(answer, 401, "unauthorized")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}],
    ids=str,
)
def test_a_page_of_another_site_does_nothing_with_the_cookie(page: AlbumClient, headers: dict[str, str]) -> None:
    album_id = page.create()

    failed(page.http.post("/album/delete", json={"album_id": album_id}, headers=headers), 403, "forbidden")
    failed(page.upload(album_id, SMALL, headers=headers), 403, "forbidden")
    failed(page.http.delete("/session", headers=headers), 403, "forbidden")
    failed(page.http.post("/session", json={"key": "x"}, headers=headers), 403, "forbidden")
    assert page.post("/album/get", album_id=album_id).status_code == 200


def test_a_key_in_the_header_needs_no_origin(guarded: Stack) -> None:
    headers = {"authorization": f"Bearer {make_key(guarded, 'anna')}", "origin": "https://app.example"}

    assert httpx.post(f"{guarded.url}/album/list", json={}, headers=headers).status_code == 200


def test_over_https_the_cookie_is_this_hosts_alone(guarded: Stack) -> None:
    answer = httpx.post(f"{guarded.url}/session", json={"key": make_key(guarded, "anna")}, headers=HTTPS)

    [(name, cookie)] = SimpleCookie(answer.headers["set-cookie"]).items()
    assert name == "__Host-album_session"
    assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")
    assert cookie["samesite"] == "strict"
    opened = {"cookie": f"{name}={cookie.value}"}
    assert httpx.post(f"{guarded.url}/album/list", json={}, headers=opened | HTTPS).status_code == 200
    assert httpx.post(f"{guarded.url}/album/list", json={}, headers=opened).status_code == 401


def test_the_cookie_is_kept_for_as_long_as_the_session_lasts(guarded: Stack) -> None:
    key = make_key(guarded, "anna", "read", "--expires-days", "1")

    answer = httpx.post(f"{guarded.url}/session", json={"key": key})

    [cookie] = SimpleCookie(answer.headers["set-cookie"]).values()
    assert 86_000 < int(cookie["max-age"]) <= 86_400


def test_signing_out_forgets_the_session(guarded: Stack, page: AlbumClient) -> None:
    token = page.http.cookies["album_session"]

    succeeded(page.http.delete("/session"), 200)

    assert "album_session" not in page.http.cookies
    again = httpx.post(f"{guarded.url}/album/list", json={}, headers={"cookie": f"album_session={token}"})
    failed(again, 401, "unauthorized")


def test_no_request_under_way_keeps_a_session_that_ends(guarded: Stack) -> None:
    key = make_key(guarded, "anna")
    with ThreadPoolExecutor(8) as pool, httpx.Client(base_url=guarded.url) as asking:
        for _ in range(10):
            token = httpx.post(f"{guarded.url}/session", json={"key": key}).cookies["album_session"]
            cookie = {"cookie": f"album_session={token}"}
            all_ask = Barrier(9)
            until_refused = [pool.submit(_ask_until_refused, asking, cookie, all_ask) for _ in range(8)]
            all_ask.wait()

            succeeded(httpx.delete(f"{guarded.url}/session", headers=cookie), 200)

            failed(httpx.post(f"{guarded.url}/album/list", json={}, headers=cookie), 401, "unauthorized")
            assert all(asked.result() for asked in until_refused)


def _ask_until_refused(client: httpx.Client, headers: dict[str, str], all_ask: Barrier) -> bool:
    """Ask for one thing after the other; whether nothing was answered after the first refusal."""
    client.post("/album/list", json={}, headers=headers)
    all_ask.wait()
    while client.post("/album/list", json={}, headers=headers).status_code != 401:
        pass
    return client.post("/album/list", json={}, headers=headers).status_code == 401


def test_a_session_ends_with_its_key(guarded: Stack) -> None:
    key = make_key(guarded, "anna")
    with guarded.client() as page:
        page.post("/session", key=key)

        run_album(guarded.environment, "keys", "revoke", key.split("_")[1])

        eventually(lambda: page.post("/album/list").status_code == 401, 10, "the session is refused")


def test_a_session_lasts_no_longer_than_its_key(guarded: Stack) -> None:
    with guarded.client() as page:
        key = make_key(guarded, "anna", "read", "--expires-days", "0.0001")
        assert page.post("/session", key=key).status_code == 201

        eventually(lambda: page.post("/album/list").status_code == 401, 20, "the session is refused")


def test_of_a_session_only_a_hash_is_kept_until_it_ends(guarded: Stack, page: AlbumClient) -> None:
    token = page.http.cookies["album_session"]
    kept = list(guarded.database["sessions"].find())

    assert token not in str(kept)
    assert token not in guarded.log("api-0")
    assert all(session["expire_date"] > utc_now() for session in kept if session["expire_date"].year > 2026)
    [ttl] = [
        index for index in guarded.database["sessions"].index_information().values() if "expireAfterSeconds" in index
    ]
    assert ttl["key"] == [("expire_date", 1)]


def test_nonsense_for_a_cookie_is_no_session(guarded: Stack) -> None:
    for cookie in ("album_session=", "album_session=x", "album_session=\u00e9", "=;;", "album_session"):
        headers = [(b"cookie", cookie.encode("latin-1"))]
        failed(httpx.post(f"{guarded.url}/album/list", json={}, headers=headers), 401, "unauthorized")


@pytest.mark.parametrize("escape", ["\\", "\\1", '\\"'])
def test_a_cookie_full_of_backslashes_keeps_nobody_waiting(guarded: Stack, escape: str) -> None:
    cookie = f'album_session="{escape * (60_000 // len(escape))}"'

    answer = httpx.get(f"{guarded.url}/livez", headers={"cookie": cookie})

    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() < 1


def test_without_keys_everybody_is_known_and_nobody_signed_in(album: AlbumClient) -> None:
    assert succeeded(album.http.get("/session"), 200, "session", "limits")["session"] is None
    failed(album.post("/session", key="x"), 401, "unauthorized")
