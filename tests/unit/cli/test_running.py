"""Where the ``album`` commands look for servers: what is set, else the stack that runs here, else the usual ports."""

from __future__ import annotations

from pathlib import Path

import pytest

from libs.shared.settings import SharedSettings
from services.cli.running import FILE, announced
from services.cli.settings import CommandSettings
from services.cli.status import Seen

STACK: dict[str, str | int] = {
    "mongo_url": "mongodb://stack",
    "amqp_url": "amqp://stack",
    "database": "mine",
    "public_url": "https://album.example",
    "host": "::1",
    "port": 8123,
}


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("MONGO_URL", "AMQP_URL", "DATABASE", "PUBLIC_URL", "HOST", "PORT"):
        monkeypatch.delenv(f"ALBUM_{name}", raising=False)
    monkeypatch.setenv("ALBUM_DATA", str(tmp_path))
    return tmp_path


def urls(settings: SharedSettings) -> tuple[str, str]:
    return settings.mongo_url.get_secret_value(), settings.amqp_url.get_secret_value()


def test_a_running_stack_is_found_with_all_that_its_commands_must_know(data: Path) -> None:
    with announced(data, STACK):
        found = CommandSettings()

    assert urls(found) == ("mongodb://stack", "amqp://stack")
    assert (found.database, found.host, found.port) == ("mine", "::1", 8123)
    assert found.base_url == "https://album.example"
    assert found.hint is None


def test_only_its_owner_can_read_of_a_stack_and_at_its_end_nobody_can(data: Path) -> None:
    with announced(data, STACK):
        assert (data / FILE).stat().st_mode & 0o777 == 0o600

    assert list(data.iterdir()) == []


def test_what_a_killed_stack_has_left_is_no_stack(data: Path) -> None:
    with announced(data, STACK):
        left = (data / FILE).read_bytes()
    (data / FILE).write_bytes(left)

    assert urls(CommandSettings()) == urls(SharedSettings())


def test_a_stack_takes_the_place_of_one_that_was_killed(data: Path) -> None:
    for name in (FILE, "stack.draft"):
        (data / name).write_text("{}")

    with announced(data, STACK):
        assert CommandSettings().database == "mine"


def test_whoever_names_a_server_is_not_given_the_other_one_of_some_stack(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with announced(data, STACK):
        monkeypatch.setenv("ALBUM_AMQP_URL", "amqp://elsewhere")

        found = CommandSettings()

    assert urls(found) == (SharedSettings().mongo_url.get_secret_value(), "amqp://elsewhere")
    assert (found.database, found.hint) == ("album", None)


def test_a_setting_beside_the_urls_wins_over_that_of_the_stack(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALBUM_DATABASE", "another")

    with announced(data, STACK):
        assert (CommandSettings().database, urls(CommandSettings())[0]) == ("another", "mongodb://stack")


def test_where_nothing_is_set_and_nothing_runs_the_hint_says_where_was_looked(data: Path) -> None:
    hint = CommandSettings().hint

    assert hint is not None
    assert str(data) in hint
    assert hint in Seen(None, {}, None, hint).concerns


def test_services_and_tests_know_nothing_of_a_stack_that_runs_here(data: Path) -> None:
    before = urls(SharedSettings())

    with announced(data, STACK):
        assert urls(SharedSettings()) == before
