"""How long keys and the sessions that were opened with them are good for, on the real database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from libs.catalog.keys import create_key, find_key, keep_first_key, list_keys, revoke_key
from libs.catalog.sessions import find_session, open_session
from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio
LONG = timedelta(days=1)
FIRST = f"album_{'0' * 16}_{'1' * 64}"


async def test_a_session_opens_nothing_when_its_time_is_over_though_its_key_is_valid(shelf: Shelf) -> None:
    key, _ = await create_key(shelf.catalog, "anna", ["read"])
    _, over = await open_session(shelf.catalog, key, timedelta(0))
    _, going_on = await open_session(shelf.catalog, key, LONG)

    assert await find_session(shelf.catalog, over) is None
    assert await find_session(shelf.catalog, going_on) is not None


async def test_a_session_is_said_to_end_no_later_than_its_key(shelf: Shelf) -> None:
    key, _ = await create_key(shelf.catalog, "anna", ["read"], LONG / 2)

    session, token = await open_session(shelf.catalog, key, LONG)

    assert session.expire_date == key.expire_date
    found = await find_session(shelf.catalog, token)
    assert found is not None
    assert abs(found.expire_date - session.expire_date) < timedelta(seconds=1)


async def test_a_key_that_is_revoked_again_was_revoked_when_it_was(shelf: Shelf) -> None:
    key, token = await create_key(shelf.catalog, "anna", ["read"])
    assert await revoke_key(shelf.catalog, key.id)
    [before] = await list_keys(shelf.catalog)

    assert await revoke_key(shelf.catalog, key.id)

    assert await list_keys(shelf.catalog) == [before]
    assert await find_key(shelf.catalog, token) is None


async def test_a_first_key_that_is_given_counts_for_nothing_once_there_was_another(shelf: Shelf) -> None:
    other, _ = await create_key(shelf.catalog, "anna", ["read"])
    await revoke_key(shelf.catalog, other.id)

    assert not await keep_first_key(shelf.catalog, FIRST, "bob")

    assert await find_key(shelf.catalog, FIRST) is None


async def test_a_first_key_that_was_revoked_is_not_given_again(shelf: Shelf) -> None:
    assert await keep_first_key(shelf.catalog, FIRST, "anna")
    await revoke_key(shelf.catalog, "0" * 16)

    assert not await keep_first_key(shelf.catalog, FIRST, "anna")

    assert await find_key(shelf.catalog, FIRST) is None
