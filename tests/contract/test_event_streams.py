"""Event streams as they are read from the log."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import anyio
import pytest

from libs.catalog.albums import create_album
from libs.shared.events import Context
from services.api import feed as feed_module
from services.api.core import Core
from services.api.feed import Feed
from services.api.streams import stream
from tests.support.shelf import CALLER, Shelf

pytestmark = pytest.mark.anyio


async def test_a_replay_ends_where_its_key_does(shelf: Shelf) -> None:
    for number in range(5):
        await create_album(shelf.catalog, CALLER, f"album {number}", None, Context(owner=CALLER.owner))
    first = await shelf.catalog.events.find_one({"owner": CALLER.owner}, sort=[("at", 1), ("_id", 1)])
    assert first is not None
    core = cast(Core, SimpleNamespace(catalog=shelf.catalog, feed=Feed(shelf.catalog)))
    asked = 0

    async def is_still_allowed() -> bool:
        nonlocal asked
        asked += 1
        return asked <= 3

    frames = [frame async for frame in stream(core, CALLER, None, first["_id"], is_still_allowed)]

    assert asked == 4
    assert 1 <= len([frame for frame in frames if frame.startswith("id:")]) <= 3


async def test_the_feed_goes_on_when_the_log_is_made_anew(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "AGAIN_SECONDS", 0.1)
    feed = Feed(shelf.catalog)
    async with anyio.create_task_group() as group:
        group.start_soon(feed.run)
        await feed.follows()
        with feed.subscribe() as news, anyio.fail_after(20):
            await shelf.catalog.events.drop()
            assert [item async for item in news] == []

        with feed.subscribe() as news, anyio.fail_after(20):
            await feed.follows()
            album = await create_album(shelf.catalog, CALLER, "Winter", None, Context(owner=CALLER.owner))
            assert (await news.receive()).envelope.subject == album.id
        group.cancel_scope.cancel()
