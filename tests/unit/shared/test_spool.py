"""Files in memory that are shared with decode children."""

from __future__ import annotations

import os

import pytest

from libs.shared.spool import Spool


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
