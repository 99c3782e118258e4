"""What several contract tests begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.shelf import Shelf, a_shelf


@pytest.fixture
async def shelf(mongo_url: str, database: str) -> AsyncIterator[Shelf]:
    async with a_shelf(mongo_url, database) as shelf:
        yield shelf
