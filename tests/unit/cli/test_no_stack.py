"""What a command says, and how soon, where no stack runs and no server is named."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from libs.shared.settings import MongoUrl
from services.cli import catalog
from services.cli.settings import CommandSettings
from tests.support import operator

SOON_SECONDS = 4.0
"""Less than it takes to look for a server of a replica set."""


def url_of(there: socket.socket) -> SecretStr:
    return SecretStr(f"mongodb://127.0.0.1:{there.getsockname()[1]}/?replicaSet=rs0")


@pytest.fixture
def nobody() -> Iterator[SecretStr]:
    """A url of a port that is taken, and at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield url_of(taken)


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nobody: SecretStr) -> Path:
    class Unnamed(CommandSettings):
        mongo_url: MongoUrl = nobody

    for name in ("MONGO_URL", "AMQP_URL"):
        monkeypatch.delenv(f"ALBUM_{name}", raising=False)
    monkeypatch.setenv("ALBUM_DATA", str(tmp_path))
    monkeypatch.setattr(catalog, "CommandSettings", Unnamed)
    return tmp_path


def test_it_is_said_soon_and_with_what_to_do(data: Path) -> None:
    began = time.monotonic()

    ended = operator.album({}, "keys", "create", "--owner", "anna")

    assert time.monotonic() - began < SOON_SECONDS
    assert ended.exit_code == os.EX_UNAVAILABLE
    assert ended.stderr.startswith("album: the database does not answer: no stack")
    assert str(data) in ended.stderr
    assert "run `album up`" in ended.stderr


def test_whoever_wants_to_restore_is_shown_how_without_a_stack(data: Path) -> None:
    ended = operator.album({}, "restore", "/backups/album")

    assert ended.exit_code == os.EX_UNAVAILABLE
    assert f"`album restore /backups/album --data {data}`" in ended.stderr
    assert "run `album up`" not in ended.stderr


def test_a_server_that_listens_is_given_the_time_to_answer(nobody: SecretStr) -> None:
    with socket.create_server(("127.0.0.1", 0)) as slow:
        assert not catalog.is_refused(url_of(slow))

    assert catalog.is_refused(nobody)
