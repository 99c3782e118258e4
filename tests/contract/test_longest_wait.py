"""How long the oldest image has waited, by which uploads are refused as `busy`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from libs.catalog.requests import emit_again
from libs.catalog.status import longest_wait
from libs.shared.events import Context, utc_now
from libs.shared.mongo import Document
from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


async def began_to_wait(shelf: Shelf, ago: timedelta) -> str:
    """An image that was queued so long ago, and nobody has worked on since."""
    image = await shelf.queued()
    began: Document = {"timeline.0.at": utc_now() - ago, "check_at": utc_now() - ago + shelf.catalog.check_after}
    await shelf.catalog.images.update_one({"_id": image.id}, {"$set": began})
    return image.id


async def test_nothing_waits_where_every_picture_is_there(shelf: Shelf) -> None:
    await shelf.ready()

    assert await longest_wait(shelf.catalog) == timedelta(0)


async def test_of_many_that_wait_the_oldest_counts(shelf: Shelf) -> None:
    for ago in (HOUR, 3 * HOUR, 2 * HOUR):
        await began_to_wait(shelf, ago)

    assert 3 * HOUR <= await longest_wait(shelf.catalog) < 4 * HOUR


async def test_one_that_stands_still_however_often_it_is_given_again_keeps_nobody_else_out(shelf: Shelf) -> None:
    image_id = await began_to_wait(shelf, 3 * HOUR)

    await emit_again(shelf.catalog, await shelf.image(image_id), 1, Context())
    long_ago = {"check_at": utc_now() - 2 * HOUR}  # its next turn has come and gone
    await shelf.catalog.images.update_one({"_id": image_id}, {"$set": long_ago})

    assert await longest_wait(shelf.catalog) == timedelta(0)
    await began_to_wait(shelf, HOUR)
    assert HOUR <= await longest_wait(shelf.catalog) < 2 * HOUR


async def test_one_that_was_given_again_after_a_death_counts_from_then_on(shelf: Shelf) -> None:
    image_id = await began_to_wait(shelf, 3 * HOUR)

    await emit_again(shelf.catalog, await shelf.image(image_id), 0, Context(), is_after_death=True)

    assert timedelta(0) <= await longest_wait(shelf.catalog) < HOUR
