"""Servers of one's own: TLS, a user with no more rights than the documents ask for, and a password that is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from libs.shared import mongo
from libs.shared.errors import Outage
from libs.shared.settings import SharedSettings
from tests.support import operator
from tests.support.client import AlbumClient
from tests.support.guarded import DATABASE, GuardedServers, guarded_servers
from tests.support.pictures import picture
from tests.support.stack import Stack, run_stack
from tests.support.waiting import eventually

COUNTS = {"api": 1, "decoder": 1, "thumbnailer": 1, "audit": 1, "notifier": 1}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedServers]:
    with guarded_servers(tmp_path_factory.mktemp("guarded")) as servers:
        yield servers


@pytest.fixture(scope="module")
def guarded(servers: GuardedServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("stack")
    where = (servers.mongo, servers.mongo_url, servers.amqp_url)
    stack = run_stack(directory, *where, COUNTS, ALBUM_DATABASE=DATABASE)
    yield stack
    stack.stop()


@pytest.fixture
def album(guarded: Stack) -> Iterator[AlbumClient]:
    with guarded.client() as client:
        yield client


def with_wrong_password(stack: Stack, servers: GuardedServers) -> Stack:
    """The same stack; what is started of it from now on has a password that is not (any more) the right one."""
    wrong = servers.mongo_url.replace(servers.password, "of-last-year")
    return replace(stack, environment=stack.environment | {"ALBUM_MONGO_URL": wrong})


def test_all_works_over_tls_with_the_rights_that_the_documents_name(
    guarded: Stack, album: AlbumClient, servers: GuardedServers
) -> None:
    album_id = album.create()
    job = album.ready(album_id, picture("PNG"))
    thumbnail = album.post("/album/thumbnail/get", thumbnail_id=album_id + job["image_id"])
    deleted = album.post("/album/image/delete", album_id=album_id, image_id=job["image_id"])
    status = operator.album(guarded.environment, "status", "--once")
    checked = operator.album(guarded.environment, "fsck")

    assert (thumbnail.status_code, deleted.status_code) == (200, 200)
    assert (status.exit_code, checked.exit_code) == (0, 0), (status.output, checked.output)
    eventually(lambda: guarded.database["audit"].count_documents({}) >= 5, what="the audit log has all of it")
    for name in guarded.processes:
        assert servers.password not in guarded.log(name)


def test_a_decoder_whose_password_is_refused_keeps_the_pictures_for_one_that_is_let_in(
    guarded: Stack, album: AlbumClient, servers: GuardedServers
) -> None:
    guarded.processes["decoder-0"].stop()
    with_wrong_password(guarded, servers).start("decoder")
    accepted = album.upload(album.create(), picture("PNG"))
    said = "the database does not let this service in"
    eventually(lambda: guarded.log("decoder-0").count(said) >= 5, 60, "it has been tried again and again")

    waiting = album.job(accepted.json()["job_id"])
    guarded.processes["decoder-0"].kill()
    guarded.start("decoder")

    assert waiting["state"] == "queued"
    assert album.settled(accepted)["attempts"] == 1


def test_an_api_whose_password_is_refused_says_that_it_cannot_serve(guarded: Stack, servers: GuardedServers) -> None:
    process, name, url = with_wrong_password(guarded, servers).launch("api", 1)
    with guarded.client(url) as locked_out:
        eventually(lambda: "does not let this service in" in guarded.log(name), what="it has asked the database")
        refused = locked_out.post("/album/list")
        health = locked_out.http.get("/readyz")
    process.stop()

    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert health.status_code == 503
    assert "Traceback" not in guarded.log(name)


@pytest.mark.anyio
async def test_a_database_whose_certificate_nobody_vouches_for_is_named_as_such(
    servers: GuardedServers, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    client = mongo.connect(SharedSettings(mongo_url=re.sub("tlsCAFile=.*", f"tlsCAFile={stranger}", servers.mongo_url)))
    try:
        with mongo.in_time(3), pytest.raises(Outage, match="certificate is not trusted"):
            await mongo.patiently(lambda: client.admin.command("ping"))
    finally:
        client.close()
