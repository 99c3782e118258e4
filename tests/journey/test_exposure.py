"""A server without keys is for this machine alone, and other sites' pages get nothing from it."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.local.process import Process
from tests.journey.expect import failed
from tests.support.client import AlbumClient
from tests.support.keys import keys_are_demanded, make_key, with_key
from tests.support.pictures import picture
from tests.support.processes import named, with_descendants
from tests.support.raw import RawConnection
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

EX_CONFIG = 78


def ended(stack: Stack, log: Path, **settings: str) -> tuple[int | None, str]:
    """How an API ends that is not to start, and its last words."""
    api = Process([sys.executable, "-m", "services.api"], env=stack.environment | settings, log=log)
    api.start()
    try:
        eventually(lambda: not api.is_running, what="it ends")
    finally:
        api.stop()
    return api.exit_code, log.read_text()


def test_no_process_that_opens_pictures_was_told_where_the_servers_are(stack: Stack) -> None:
    workers = {process.pid for name, process in stack.processes.items() if name.startswith(("decoder", "thumbnailer"))}
    openers = named(set().union(*map(with_descendants, workers)), "multiprocessing.forkserver")

    assert len(openers) > len(workers)  # their fork servers, and at least a child
    for opener in openers:
        assert {name for name in psutil.Process(opener).environ() if name.startswith(("ALBUM_", "OTEL_"))} == set()


def test_no_process_opens_pictures_of_two_owners(start_stack: StartStack) -> None:
    stack = start_stack()
    tokens = [make_key(stack, owner) for owner in ("anna", "berta")]
    keys_are_demanded(stack)
    workers = [process.pid for name, process in stack.processes.items() if name.startswith(("decoder", "thumbnailer"))]
    openers: list[set[int]] = []
    for token in tokens:
        with with_key(stack, token) as album:
            album_id = album.create()
            for _ in range(2):
                album.ready(album_id, picture("PNG", 8, 8))
                below = set().union(*map(with_descendants, workers))
                servers = {psutil.Process(pid).parent().pid for pid in named(below, "multiprocessing.forkserver")}
                openers.append({pid for pid in named(below, "multiprocessing.forkserver") if pid not in servers})

    assert openers[0] == openers[1]
    assert openers[2] == openers[3]
    assert len(openers[0]) == len(openers[2]) == len(workers)
    assert openers[0].isdisjoint(openers[2])


def test_without_a_key_it_does_not_listen_where_others_can_reach_it(start_stack: StartStack, tmp_path: Path) -> None:
    stack = start_stack(apis=0, decoders=0, thumbnailers=0)

    code, words = ended(stack, tmp_path / "log", ALBUM_HOST="0.0.0.0")

    assert code == EX_CONFIG
    assert "album keys create --owner NAME` while it listens on 127.0.0.1" in words
    assert "ALBUM_FIRST_KEY_FILE" in words
    assert "Traceback" not in words


def test_a_first_key_from_a_file_lets_it_listen_anywhere(start_stack: StartStack, tmp_path: Path) -> None:
    token = f"album_{'5' * 16}_{'a1' * 32}"
    (tmp_path / "first-key").write_text(token + "\n")

    stack = start_stack(
        decoders=0, thumbnailers=0, ALBUM_HOST="0.0.0.0", ALBUM_FIRST_KEY_FILE=str(tmp_path / "first-key")
    )

    keys_are_demanded(stack)
    with with_key(stack, token) as admin:
        admin.create()
    [kept] = stack.database["keys"].find()
    assert (kept["owner_name"], kept["scopes"]) == ("admin", ["read", "write", "admin"])
    assert "a1" * 32 not in str(kept)


@pytest.mark.parametrize("content", ["", "secret", f"album_{'5' * 16}_{'a1' * 31}"])
def test_a_first_key_that_is_none_is_told(start_stack: StartStack, tmp_path: Path, content: str) -> None:
    (tmp_path / "first-key").write_text(content)
    stack = start_stack(apis=0, decoders=0, thumbnailers=0)

    code, words = ended(stack, tmp_path / "log", ALBUM_FIRST_KEY_FILE=str(tmp_path / "first-key"))

    assert code == EX_CONFIG
    assert not content or content not in words


def test_who_says_so_explicitly_may_let_everybody_in(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, ALBUM_HOST="0.0.0.0", ALBUM_ALLOW_ANONYMOUS="true")

    assert httpx.post(f"{stack.url}/album/list", json={}, headers={"host": "photos.example"}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "[::2]", "", "[", "[localhost]"]
)
def test_without_keys_another_name_for_this_machine_is_refused(album: AlbumClient, host: str) -> None:
    for request in (("POST", "/album/list"), ("GET", "/events")):
        failed(album.http.request(*request, json={}, headers={"host": host}), 403, "forbidden")


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1", "127.1.2.3:1", "[::1]:8000", "LOCALHOST"])
def test_this_machines_own_names_are_answered(album: AlbumClient, host: str) -> None:
    assert album.http.post("/album/list", json={}, headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        ("GET /session HTTP/1.0", 200),
        ("GET /session HTTP/1.0\r\nHost: evil.example", 403),
        ("GET /session HTTP/1.0\r\nX-Forwarded-For: 203.0.113.9", 403),
        ("GET /session HTTP/1.1", 403),
    ],
)
def test_only_a_client_too_old_to_say_a_name_may_leave_it_out(stack: Stack, request_head: str, status: int) -> None:
    with RawConnection(stack.url) as connection:
        connection.send(f"{request_head}\r\n\r\n".encode())
        assert connection.answer().status_code == status


@pytest.mark.parametrize("client", ["203.0.113.9", "10.0.0.7", "127.0.0.1, 203.0.113.9", "nonsense"])
def test_without_keys_a_proxy_here_lets_nobody_in_from_elsewhere(album: AlbumClient, client: str) -> None:
    for request in (("POST", "/album/list"), ("POST", "/admin/status"), ("GET", "/events")):
        failed(album.http.request(*request, json={}, headers={"x-forwarded-for": client}), 403, "forbidden")


def test_without_keys_a_proxy_here_serves_who_is_here(album: AlbumClient) -> None:
    assert album.http.post("/album/list", json={}, headers={"x-forwarded-for": "127.0.0.1"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1"},
        {"sec-fetch-site": "cross-site", "origin": "http://{host}"},
    ],
    ids=str,
)
def test_without_keys_a_page_of_another_site_changes_nothing(album: AlbumClient, headers: dict[str, str]) -> None:
    host = album.http.base_url.netloc.decode()
    given = {name: value.format(host=host) for name, value in headers.items()}

    failed(album.http.post("/album/create", json={"album_name": "x"}, headers=given), 403, "forbidden")
    failed(album.upload(album.create(), b"", headers=given), 403, "forbidden")
    failed(album.http.post("/session", json={"key": "x"}, headers=given), 403, "forbidden")


def test_the_servers_own_page_may(album: AlbumClient) -> None:
    host = album.http.base_url.netloc.decode()

    for headers in ({"sec-fetch-site": "same-origin"}, {"origin": f"http://{host}"}):
        assert album.http.post("/album/list", json={}, headers=headers).status_code == 200
