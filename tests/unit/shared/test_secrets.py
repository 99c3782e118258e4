"""Secrets that come as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from libs.shared.settings import SharedSettings


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ALBUM_AMQP_URL", raising=False)
    monkeypatch.setitem(SharedSettings.model_config, "secrets_dir", tmp_path)
    (tmp_path / "album_amqp_url").write_text("amqp://album:secret@rabbitmq:5672/\n")
    return tmp_path


@pytest.mark.usefixtures("secrets")
def test_a_url_is_read_from_a_file_that_is_named_like_its_variable() -> None:
    assert SharedSettings().amqp_url.get_secret_value() == "amqp://album:secret@rabbitmq:5672/"


@pytest.mark.usefixtures("secrets")
def test_a_variable_wins_over_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALBUM_AMQP_URL", "amqp://elsewhere/")

    assert SharedSettings().amqp_url.get_secret_value() == "amqp://elsewhere/"
