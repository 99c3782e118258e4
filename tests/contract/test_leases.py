"""Leases on the real database: one holder at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from libs.catalog.leases import Lease
from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio
LONG, OVER = timedelta(minutes=1), timedelta(minutes=-1)


async def test_a_lease_is_one_holders_until_it_ends(shelf: Shelf) -> None:
    first, second = Lease(shelf.catalog, "work", LONG), Lease(shelf.catalog, "work", LONG)
    assert await first.go_on()
    assert not await second.go_on()
    assert await Lease(shelf.catalog, "other work", LONG).go_on()

    await first.end()

    assert await second.go_on()


async def test_a_lease_that_has_run_out_is_whoever_comes_firsts(shelf: Shelf) -> None:
    late, next_one = Lease(shelf.catalog, "work", OVER), Lease(shelf.catalog, "work", LONG)
    assert await late.go_on()
    assert await next_one.go_on()

    assert not await late.go_on()


async def test_whoever_ends_late_does_not_end_the_lease_of_his_successor(shelf: Shelf) -> None:
    late, successor = Lease(shelf.catalog, "work", OVER), Lease(shelf.catalog, "work", LONG)
    assert await late.go_on()
    assert await successor.go_on()

    await late.end()

    assert not await Lease(shelf.catalog, "work", LONG).go_on()
