"""Files in memory that are shared with decode children."""

from __future__ import annotations

import os

import pytest

from libs.shared.offload import DecodePool
from libs.shared.settings import StageSettings
from libs.shared.spool import Spool
from tests.support import children


def test_whoever_keeps_a_spool_that_its_maker_has_closed_cannot_fill_memory_with_it() -> None:
    with Spool() as spool:
        spool.append(b"a picture")
        kept = os.dup(spool.descriptor)
    try:
        assert os.fstat(kept).st_size == 0
        with pytest.raises(PermissionError):
            os.pwrite(kept, b"more", 0)
    finally:
        os.close(kept)


def test_what_was_passed_on_stays_when_its_copy_is_closed() -> None:
    with Spool() as spool:
        spool.append(b"a picture")
        Spool(os.dup(spool.descriptor)).close()
        assert spool.read() == b"a picture"


@pytest.mark.anyio
async def test_a_child_holds_no_spool_longer_than_its_call() -> None:
    endings: list[str] = []
    async with DecodePool(StageSettings(processes=1), ["tests.support.children"], on_child_end=endings.append) as pool:
        for _ in range(20):  # more than a child may have open at once
            with Spool() as source, Spool() as target:
                source.append(b"a picture")
                await pool.run(children.copy, source, target)
                assert target.read() == source.read()
    assert endings == []
