"""Results of stages of any make: what no picture can be is refused, and what they led to can be followed."""

from __future__ import annotations

from typing import Any

import pytest

from libs.shared.errors import ContractBreach
from libs.shared.events import Context
from services.api.progress import apply
from tests.support.core import core_of
from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio

IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "a hash in capitals": {"encoded": {"sha256": "A" * 64}},
    "a hash that would end a header's quotes": {"encoded": {"sha256": 'a"b'}},
    "a page in place of a picture": {"encoded": {"content_type": "text/html"}},
    "a type with a line of its own": {"encoded": {"content_type": "image/png\r\nx-evil: 1"}},
    "a height below zero": {"height": -40},
    "no width": {"width": 0},
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
async def test_a_result_that_no_picture_can_have_is_no_result(shelf: Shelf, what: str) -> None:
    image = await shelf.queued()
    event = await shelf.encoded_event(image)
    changes = IMPOSSIBLE[what]
    if "encoded" in changes:
        changes = {"encoded": event.encoded.model_copy(update=changes["encoded"])}
    # A stage of another make says less of what it stores.
    await shelf.catalog.files.update_one({"_id": event.encoded.blob_id}, {"$set": {"metadata": {"image_id": image.id}}})

    with pytest.raises(ContractBreach):
        await apply(core_of(shelf), event.model_copy(update=changes), Context())

    assert (await shelf.image(image.id)).state == "queued"


async def test_who_reads_the_events_finds_what_led_to_each(shelf: Shelf) -> None:
    image = await shelf.queued()
    event = await shelf.encoded_event(image)
    await apply(core_of(shelf), event, Context().caused_by("a message that only the decoder saw"))

    log = await shelf.catalog.events.find({"subject": image.id}).sort("sequence").to_list(None)

    uploaded, encoded = (entry["envelope"] for entry in log)
    assert encoded["causationid"] == uploaded["id"]
    assert "causationid" not in uploaded
