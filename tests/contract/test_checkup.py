"""One check of the store after the other, in one process."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import anyio
import pytest

from libs.catalog.findings import Options, reports
from services.api.checkup import Checkup
from services.api.core import Core
from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio


async def test_when_a_check_has_ended_another_may_begin_anywhere(shelf: Shelf) -> None:
    for _ in range(2):
        async with anyio.create_task_group() as tasks:
            core = cast(Core, SimpleNamespace(catalog=shelf.catalog, blobs=shelf.blobs, tasks=tasks))
            scan = Checkup(core, "scan", Options())
            assert scan.start()
            assert not scan.start()
        assert "scan" in await reports(shelf.catalog)
        assert await shelf.catalog.leases.count_documents({}) == 0

    async with anyio.create_task_group() as core.tasks:
        assert scan.start()
