"""What a repair leaves of bytes that are not whole."""

from __future__ import annotations

import pytest

from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio


async def test_what_is_left_of_a_damaged_upload_stays_though_its_image_fails(shelf: Shelf) -> None:
    image = await shelf.queued()
    assert image.original is not None
    of_upload = {"files_id": image.original.blob_id}
    await shelf.catalog.chunks.delete_one({**of_upload, "n": 1})
    left = await shelf.catalog.chunks.count_documents(of_upload)

    for _ in range(2):
        await shelf.check(repair=True)

    failed = await shelf.image(image.id)
    assert (failed.state, failed.code, failed.is_original_kept) == ("failed", "attempts-exhausted", True)
    assert await shelf.catalog.chunks.count_documents(of_upload) == left > 0


async def test_a_picture_whose_bytes_have_changed_stays_where_nothing_can_replace_it(shelf: Shelf) -> None:
    image = await shelf.thumbnail(await shelf.encoded(), keep_original=False)
    assert image.encoded is not None
    first = {"files_id": image.encoded.blob_id, "n": 0}
    chunk = await shelf.catalog.chunks.find_one(first)
    assert chunk is not None
    await shelf.catalog.chunks.update_one(first, {"$set": {"data": bytes(len(chunk["data"]))}})

    report, [found] = await shelf.check(repair=True, hash=True)

    assert (report.left, found.is_repaired) == (1, False)
    assert await shelf.image(image.id) == image
    assert await shelf.catalog.chunks.count_documents(first) == 1
