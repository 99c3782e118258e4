"""What an operator's retry of failed jobs, of whatever owners, leaves in the log for the stages."""

from __future__ import annotations

import pytest

from libs.catalog.exhaustion import give_up
from libs.catalog.records import Image
from libs.shared.events import Context
from services.api.routes import admin
from tests.support.core import core_of
from tests.support.shelf import CALLER, Shelf

pytestmark = pytest.mark.anyio
OPERATOR = Context(owner="operator", actor="key:0123456789abcdef")


async def failed(shelf: Shelf, image: Image) -> Image:
    assert await give_up(shelf.catalog, image, "thumbnailer", "it is no use", 5, image.context)
    return await shelf.image(image.id)


async def test_a_picture_that_is_worked_on_for_an_operator_stays_its_owners(shelf: Shelf) -> None:
    image = await failed(shelf, await shelf.encoded())
    await shelf.published()

    await admin._retry(core_of(shelf), [image], OPERATOR)

    [event] = await shelf.catalog.events.find({"subject": image.id, "pending": {"$gt": ""}}).to_list(None)
    assert event["envelope"]["type"] == "io.album.thumbnail.requested.v1"
    # By this a stage keeps the pictures of one owner from those of another.
    assert (event["owner"], event["envelope"]["owner"]) == (CALLER.owner, CALLER.owner)
    assert event["envelope"]["actor"] == OPERATOR.actor


async def test_a_job_that_has_moved_on_keeps_no_other_from_being_tried_again(shelf: Shelf) -> None:
    moved_on, still_failed = [await failed(shelf, await shelf.encoded()) for _ in range(2)]
    await admin._retry(core_of(shelf), [moved_on], OPERATOR)

    await admin._retry(core_of(shelf), [moved_on, still_failed], OPERATOR)

    assert (await shelf.image(still_failed.id)).state == "encoded"
