"""What was deleted costs those nothing who look for what is left."""

from __future__ import annotations

from datetime import timedelta

import pytest

from libs.catalog import albums, deletions, images, repairs
from libs.shared.events import Context, utc_now
from libs.shared.pages import token
from tests.support.shelf import CALLER, Shelf

pytestmark = pytest.mark.anyio
DELETED = 300
SHOWN = 3


async def profiled(shelf: Shelf) -> None:
    """Have the database note each query from now on."""
    await shelf.catalog.database.command("profile", 2)


async def most_read(shelf: Shelf) -> int:
    """How many documents one of the profiled queries has looked at, of the one that looked at most."""
    database = shelf.catalog.database
    await database.command("profile", 0)
    found = await database["system.profile"].find({"op": {"$in": ["command", "query"]}}).to_list(None)
    await database["system.profile"].drop()
    return max(int(each.get("docsExamined", 0)) for each in found)


async def test_records_of_deleted_images_are_not_read_when_an_album_is_listed_or_swept(shelf: Shelf) -> None:
    shown = [(await shelf.queued()).id for _ in range(SHOWN)]
    gone = {"album_id": shelf.album_id, "state": "deleted"}
    await shelf.catalog.images.insert_many({"_id": f"deleted-{n}", "order": -n, **gone} for n in range(DELETED))
    await profiled(shelf)

    _, ids = await images.list_image_ids(shelf.catalog, CALLER, shelf.album_id, 10, None)
    cards = await images.list_images(shelf.catalog, CALLER, shelf.album_id, 10, None, "newest")
    await deletions.delete_album(shelf.catalog, CALLER, shelf.album_id, Context())
    await deletions.sweep_album(shelf.catalog, shelf.blobs, shelf.album_id, Context())

    read = await most_read(shelf)
    assert SHOWN <= read < DELETED / 10
    assert ids.items == shown
    assert [image.id for image in cards.items] == shown[::-1]
    assert await shelf.catalog.images.count_documents({"state": "queued"}) == 0


async def test_records_of_deleted_albums_are_not_read_when_albums_are_listed(shelf: Shelf) -> None:
    gone = {"owner": CALLER.owner, "state": "deleted", "create_date": utc_now()}
    await shelf.catalog.albums.insert_many({"_id": f"deleted-{n}", **gone} for n in range(DELETED))
    await profiled(shelf)

    first = await albums.list_albums(shelf.catalog, CALLER, 1, None)
    rest = await albums.list_albums(shelf.catalog, CALLER, 10, token(utc_now(), "f"))

    assert 1 <= await most_read(shelf) < DELETED / 10
    assert [album.id for album in first.items] == [album.id for album in rest.items] == [shelf.album_id]


async def test_failed_images_whose_uploads_were_dropped_are_not_read_to_find_more(shelf: Shelf) -> None:
    failed = {"state": "failed", "event_at": utc_now() - timedelta(days=2)}
    dropped = [{"_id": f"dropped-{n}", "is_original_kept": False, **failed} for n in range(DELETED)]
    with_picture = [{"_id": f"encoded-{n}", "encoded": {"blob_id": "encoded"}, **failed} for n in range(DELETED)]
    await shelf.catalog.images.insert_many(dropped + with_picture)
    image = await shelf.queued()
    await shelf.catalog.images.update_one({"_id": image.id}, {"$set": failed})
    await profiled(shelf)

    count = await repairs.drop_originals_of_failed(shelf.catalog, shelf.blobs, timedelta(days=1))

    assert 1 <= await most_read(shelf) < DELETED / 10
    assert count == 1
    assert not (await shelf.image(image.id)).is_original_kept
