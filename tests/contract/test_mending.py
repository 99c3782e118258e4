"""What a repair leaves of bytes that are not whole."""

from __future__ import annotations

import pytest

from libs.catalog.exhaustion import give_up
from libs.catalog.records import Image
from libs.catalog.requests import request_picture, request_thumbnail, retry
from libs.shared.errors import Refusal
from libs.shared.events import blob_ids
from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio


async def failed(shelf: Shelf, image: Image) -> Image:
    assert await give_up(shelf.catalog, image, "api", "it is no use", 1, image.context)
    return await shelf.image(image.id)


async def lose_bytes(shelf: Shelf, image: Image) -> Image:
    """The image, after a check has found that neither upload nor picture are left of it."""
    await shelf.blobs.delete(*blob_ids(image.original, image.encoded))
    await shelf.check(repair=True)
    return await shelf.image(image.id)


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


@pytest.mark.parametrize("has_picture", [False, True])
async def test_a_retry_that_was_decided_before_a_check_found_nothing_left_to_work_on_is_refused(
    shelf: Shelf, has_picture: bool
) -> None:
    image = await failed(shelf, await (shelf.encoded() if has_picture else shelf.queued()))
    lost = await lose_bytes(shelf, image)

    with pytest.raises(Refusal, match="has not failed"):
        await retry(shelf.catalog, image, image.context)

    assert await shelf.image(image.id) == lost


async def test_no_thumbnail_is_asked_for_of_a_picture_that_a_check_has_just_found_lost(shelf: Shelf) -> None:
    image = await failed(shelf, await shelf.encoded())
    lost = await lose_bytes(shelf, image)

    assert not await request_thumbnail(shelf.catalog, image, image.context)

    assert await shelf.image(image.id) == lost


async def test_no_picture_is_asked_for_of_an_upload_that_another_check_has_just_found_lost(shelf: Shelf) -> None:
    image = await shelf.ready()
    await shelf.blobs.delete(*blob_ids(image.original))
    await shelf.check(repair=True)

    assert not await request_picture(shelf.catalog, image, image.context)

    assert (await shelf.image(image.id)).state == "ready"


async def test_a_thumbnail_that_is_lost_after_all_it_could_be_made_from_is_promised_no_longer(shelf: Shelf) -> None:
    image = await lose_bytes(shelf, await shelf.ready())
    await shelf.blobs.delete(*blob_ids(image.thumbnail))

    report, [found] = await shelf.check(repair=True)

    assert (report.left, found.is_repaired) == (0, True)
    assert await shelf.image(image.id) == image.model_copy(update={"thumbnail": None})
