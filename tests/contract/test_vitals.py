"""What a scrape shows of a machine that is short of something."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from motor.frameworks import asyncio as drivers
from pydantic import SecretStr

from libs.shared.rabbitmq import Publisher
from services.api.core import Core
from services.api.metrics import ApiMetrics
from services.api.room import Room
from services.api.vitals import Vitals
from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio


class NoThreads(ThreadPoolExecutor):
    """The driver's threads on a machine that has none left."""

    def submit(self, *work: Any, **options: Any) -> Any:
        raise RuntimeError("can't start new thread")


async def test_a_scrape_without_threads_shows_what_needs_none(
    shelf: Shelf, fresh_vhost: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher, metrics = Publisher(SecretStr(fresh_vhost())), ApiMetrics()
    room = Room(shelf.catalog.database, 0)
    core = SimpleNamespace(catalog=shelf.catalog, publisher=publisher, metrics=metrics, room=room)
    vitals = Vitals(cast(Core, core))
    monkeypatch.setattr(drivers, "_EXECUTOR", NoThreads())

    await vitals.refresh()
    await publisher.close()

    shown = metrics.exposition().decode()
    assert "album_outbox_pending NaN" in shown
    assert "album_storage_left_bytes NaN" in shown
    assert 'album_queue_messages{queue="album.decoder.v1"} 0.0' in shown
