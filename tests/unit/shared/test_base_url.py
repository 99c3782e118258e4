"""Where events say that the API is."""

from __future__ import annotations

from datetime import datetime, timezone
from urllib.parse import urlsplit

import pytest

from libs.shared.events import AlbumCreated, Context, public_envelope
from libs.shared.settings import SharedSettings

NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("variables", "base"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"ALBUM_PORT": "8123"}, "http://127.0.0.1:8123"),
        ({"ALBUM_HOST": "0.0.0.0"}, "http://127.0.0.1:8000"),
        ({"ALBUM_HOST": "::"}, "http://[::1]:8000"),
        ({"ALBUM_HOST": "fd00::7"}, "http://[fd00::7]:8000"),
        ({"ALBUM_PUBLIC_URL": "https://album.example"}, "https://album.example"),
        ({"ALBUM_PUBLIC_URL": "https://example.org/photos/", "ALBUM_PORT": "8123"}, "https://example.org/photos"),
    ],
)
def test_the_api_is_where_the_operator_says_or_where_it_listens(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], base: str
) -> None:
    for name in ("ALBUM_HOST", "ALBUM_PORT", "ALBUM_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert SharedSettings().base_url == base


def test_a_public_event_names_its_schema_by_an_absolute_uri() -> None:
    envelope = public_envelope(AlbumCreated(album_id="a"), 1, NOW, "api", Context(), "https://example.org/photos")

    schema = urlsplit(envelope.dataschema)
    assert (schema.scheme, schema.netloc, schema.path) == (
        "https",
        "example.org",
        "/photos/schemas/album-created/v1.json",
    )
