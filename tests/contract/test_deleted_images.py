"""What was deleted from an album costs those nothing who look into it."""

from __future__ import annotations

import pytest

from libs.catalog import deletions, images
from libs.shared.events import Context
from tests.support.shelf import CALLER, Shelf

pytestmark = pytest.mark.anyio
DELETED = 300
SHOWN = 3


async def most_read(shelf: Shelf) -> int:
    """How many documents one of the album's profiled queries has looked at, of the one that looked at most."""
    database = shelf.catalog.database
    await database.command("profile", 0)
    found = await database["system.profile"].find({"op": {"$in": ["command", "query"]}}).to_list(None)
    return max(int(each.get("docsExamined", 0)) for each in found)


async def test_records_of_deleted_images_are_not_read_when_an_album_is_listed_or_swept(shelf: Shelf) -> None:
    shown = [(await shelf.queued()).id for _ in range(SHOWN)]
    gone = {"album_id": shelf.album_id, "state": "deleted"}
    await shelf.catalog.images.insert_many({"_id": f"deleted-{n}", "order": -n, **gone} for n in range(DELETED))
    await shelf.catalog.database["system.profile"].drop()
    await shelf.catalog.database.command("profile", 2)

    _, ids = await images.list_image_ids(shelf.catalog, CALLER, shelf.album_id, 10, None)
    cards = await images.list_images(shelf.catalog, CALLER, shelf.album_id, 10, None, "newest")
    await deletions.delete_album(shelf.catalog, CALLER, shelf.album_id, Context())
    await deletions.sweep_album(shelf.catalog, shelf.blobs, shelf.album_id, Context())

    read = await most_read(shelf)
    assert SHOWN <= read < DELETED / 10
    assert ids.items == shown
    assert [image.id for image in cards.items] == shown[::-1]
    assert await shelf.catalog.images.count_documents({"state": "queued"}) == 0
