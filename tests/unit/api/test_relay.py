"""What the relay holds on to while a broker takes nothing."""

from __future__ import annotations

import uuid
import weakref
from types import SimpleNamespace
from typing import cast

import pytest

from libs.catalog.catalog import Catalog
from libs.shared.event_log import Entry
from libs.shared.events import AlbumCreated, Context, public_envelope, utc_now
from libs.shared.rabbitmq import Publisher
from services.api import relay
from services.api.relay import Relay


def entry() -> Entry:
    event = AlbumCreated(album_id=str(uuid.uuid4()))
    return Entry(
        public_envelope(event, 1, utc_now(), "api", Context(), "http://127.0.0.1"), is_public=True, is_work=False
    )


def test_of_what_cannot_be_published_only_so_much_is_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MOST_NEW", 100)
    catalog = cast(Catalog, SimpleNamespace(on_recorded=None))
    nobody = cast(Publisher, None)
    held_by = Relay(catalog, nobody, nobody, lambda: None)
    known: list[weakref.ref[Entry]] = []

    for _ in range(300):
        recorded = entry()
        catalog.on_recorded(recorded)
        known.append(weakref.ref(recorded))
    del recorded

    assert held_by is not None
    assert sum(each() is not None for each in known) == 100
