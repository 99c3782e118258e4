"""Event streams as they are read from the log."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from libs.catalog.albums import create_album
from libs.shared.events import Context
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
