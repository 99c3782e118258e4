"""Doing several things at once, and failing as if they had been done one by one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import anyio

from libs.shared.errors import MACHINE_ERRORS, AlbumError
from libs.shared.mongo_errors import DriverError


async def side_by_side(works: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Do all of it at once. The first error ends the rest, and is raised as it is instead of inside a group."""
    failures: list[Exception] = []

    async def run(work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (AlbumError, DriverError, *MACHINE_ERRORS) as error:
            failures.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for work in works:
            group.start_soon(run, work)
    if failures:
        raise failures[0]
