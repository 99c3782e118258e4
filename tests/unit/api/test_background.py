"""What goes on behind requests: it ends alone, and whoever waits for the log is woken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from pymongo.errors import AutoReconnect

from libs.shared.errors import Outage
from libs.shared.event_log import Entry
from services.api import feed
from services.api.background import in_background
from services.api.core import Core
from services.api.feed import Feed

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("error", [Outage("away"), KeyError("a bug")], ids=["outage", "bug"])
async def test_what_a_request_began_ends_alone(error: Exception) -> None:
    async def fail() -> None:
        raise error

    async with anyio.create_task_group() as tasks:
        in_background(cast(Core, SimpleNamespace(tasks=tasks)), "a test", fail())
        beside = anyio.Event()
        tasks.start_soon(beside.wait)
        await anyio.wait_all_tasks_blocked()
        beside.set()


class Flaky(Feed):
    """A feed whose database is away at first."""

    def __init__(self) -> None:
        super().__init__(cast(Any, None))
        self.failures = 0

    async def _changes(self) -> AsyncIterator[Entry]:
        if self.failures == 0:
            self.failures += 1
            raise AutoReconnect("not yet")
        self._following.set()
        await anyio.sleep_forever()
        yield cast(Entry, None)


async def test_who_waits_for_the_log_while_it_is_away_is_woken_when_it_is_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "AGAIN_SECONDS", 0.05)
    flaky = Flaky()
    async with anyio.create_task_group() as tasks:
        with anyio.fail_after(feed.FOLLOW_SECONDS / 2):
            tasks.start_soon(flaky.run)
            await flaky.follows()
        tasks.cancel_scope.cancel()
    assert flaky.failures == 1
