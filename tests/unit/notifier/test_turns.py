"""Whose call is next when there are more than may be made at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest
from anyio.abc import TaskGroup, TaskStatus

from services.notifier.turns import Turns

pytestmark = pytest.mark.anyio


class Calls:
    """Calls of owners that last until they are ended."""

    def __init__(self, group: TaskGroup, at_once: int) -> None:
        self._group = group
        self._turns = Turns(at_once)
        self._ends: dict[str, list[anyio.Event]] = {}
        self.begun: list[str] = []

    async def ask(self, owner: str, times: int = 1) -> None:
        for _ in range(times):
            await self._group.start(self._call, owner)
        await anyio.wait_all_tasks_blocked()

    async def end_one(self, owner: str) -> None:
        self._ends[owner].pop(0).set()
        await anyio.wait_all_tasks_blocked()

    def under_way(self) -> dict[str, int]:
        return {owner: len(ends) for owner, ends in self._ends.items()}

    async def _call(self, owner: str, *, task_status: TaskStatus[None]) -> None:
        task_status.started()
        async with self._turns.of(owner):
            end = anyio.Event()
            self._ends.setdefault(owner, []).append(end)
            self.begun.append(owner)
            await end.wait()


@asynccontextmanager
async def calls(at_once: int) -> AsyncIterator[Calls]:
    async with anyio.create_task_group() as group:
        yield Calls(group, at_once)
        group.cancel_scope.cancel()


async def test_an_owner_with_many_slow_receivers_leaves_room_for_others() -> None:
    async with calls(8) as all:
        await all.ask("slow", 100)
        assert all.under_way() == {"slow": 7}

        await all.ask("quick", 3)
        assert all.under_way() == {"slow": 7, "quick": 1}

        await all.end_one("quick")
        assert all.begun[-1] == "quick"


async def test_the_next_call_is_of_whoever_has_the_fewest_under_way() -> None:
    async with calls(4) as all:
        await all.ask("many", 3)
        await all.ask("few", 1)
        await all.ask("many", 5)
        await all.ask("new", 1)

        await all.end_one("many")
        assert all.begun[-1] == "new"
        await all.end_one("many")
        assert all.begun[-1] == "many"


async def test_one_call_at_once_is_anybodys() -> None:
    async with calls(1) as all:
        await all.ask("first", 2)
        await all.ask("second")
        assert all.begun == ["first"]

        await all.end_one("first")
        await all.end_one(all.begun[-1])
        assert sorted(all.begun) == ["first", "first", "second"]


async def test_whoever_stops_waiting_takes_no_turn_along() -> None:
    turns = Turns(1)
    async with AsyncExitStack() as held:
        await held.enter_async_context(turns.of("first"))
        with anyio.move_on_after(0) as gone:
            async with turns.of("second"):
                raise AssertionError("two at once")
        assert gone.cancelled_caught

    with anyio.fail_after(5):
        async with turns.of("third"):
            pass


async def test_a_call_that_fails_gives_its_turn_back() -> None:
    turns = Turns(1)
    with pytest.raises(ValueError, match="it failed"):
        async with turns.of("first"):
            raise ValueError("it failed")

    with anyio.fail_after(5):
        async with turns.of("first"):
            pass
