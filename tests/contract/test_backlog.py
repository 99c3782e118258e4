"""Who is told that too many pictures wait."""

from __future__ import annotations

from datetime import timedelta

import pytest

from libs.shared.errors import Refusal
from libs.shared.events import utc_now
from services.api.backlog import Backlog
from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio
MOST = timedelta(minutes=5)


async def overdue(shelf: Shelf) -> Backlog:
    """A backlog whose oldest picture has waited for longer than anybody should."""
    image = await shelf.queued()
    began = utc_now() - 2 * MOST
    waits = {"$set": {"timeline.0.at": began, "check_at": began + shelf.catalog.check_after}}
    await shelf.catalog.images.update_one({"_id": image.id}, waits)
    return Backlog(shelf.catalog, MOST.total_seconds())


async def test_while_the_stages_do_not_keep_up_no_picture_is_taken_and_it_is_said_when_to_ask_again(
    shelf: Shelf,
) -> None:
    backlog = await overdue(shelf)

    for _ in range(2):
        with pytest.raises(Refusal) as refused:
            await backlog.require(is_broker_there=True)

        assert (refused.value.code, refused.value.details) == ("busy", {"retry_after": 10})


async def test_what_waits_for_the_broker_alone_keeps_no_picture_out(shelf: Shelf) -> None:
    await (await overdue(shelf)).require(is_broker_there=False)
