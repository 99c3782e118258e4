"""What is done side by side fails as if it had been done one by one."""

from __future__ import annotations

import errno

import anyio
import pytest
from pymongo.errors import AutoReconnect

from libs.catalog.side_by_side import side_by_side
from libs.shared.errors import Outage

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "error",
    [
        Outage("away"),
        AutoReconnect("away"),
        OSError(errno.EMFILE, "no more"),
        MemoryError(),
        RuntimeError("can't start new thread"),
    ],
)
async def test_an_outage_ends_the_rest_and_is_raised_as_it_is(error: Exception) -> None:
    async def fail() -> None:
        raise error

    with anyio.fail_after(10), pytest.raises(type(error)) as raised:
        await side_by_side([anyio.sleep_forever, fail])
    assert raised.value is error
