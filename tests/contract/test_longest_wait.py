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


@pytest.mark.parametrize("checks", [1, 5])
async def test_who_is_given_to_the_decoder_again_has_not_waited_less_for_it(shelf: Shelf, checks: int) -> None:
    oldest = await began_to_wait(shelf, 3 * HOUR)
    await began_to_wait(shelf, HOUR)

    await emit_again(shelf.catalog, await shelf.image(oldest), checks, Context())

    assert 3 * HOUR <= await longest_wait(shelf.catalog) < 4 * HOUR
