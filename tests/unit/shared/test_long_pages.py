"""A page may be of ten thousand, and nobody waits for the whole of it but who asked for it."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from libs.shared import pages

pytestmark = pytest.mark.anyio


async def test_others_get_their_turn_while_a_long_page_is_made() -> None:
    taken: list[int] = []
    turns = 0

    def make(number: int) -> int:
        taken.append(turns)
        return -number

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(others)
        result = await pages.made(make, range(20 * pages.SLICE + 1))
        group.cancel_scope.cancel()

    assert result == [-number for number in range(20 * pages.SLICE + 1)]
    assert max(taken.count(turn) for turn in taken) <= pages.SLICE
