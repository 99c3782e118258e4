"""Whatever happens to messages and to those who work on them: nothing accepted is lost, nothing deleted stays."""

from __future__ import annotations

from collections import Counter
from random import Random

import anyio
import pytest

from libs.shared.mongo import Document
from tests.support.rough import Pipeline, acts
from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio

SEEDS = range(8)
STEPS = 120
MOST_AT_ONCE = 5
ENDS = {"ready": "thumbnail.created.v1", "failed": "image.failed.v1", "deleted": "image.deleted.v1"}


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_was_accepted_comes_to_its_end_and_what_was_deleted_is_gone(shelf: Shelf, seed: int) -> None:
    pipeline = await after_a_rough_time(shelf, Random(seed))

    images = await shelf.catalog.images.find().to_list(None)
    assert len(images) == pipeline.accepted
    for image in images:
        told = await events_of(shelf, image)
        assert [event["sequence"] for event in told] == [*range(1, image["sequence"] + 1)]
        assert told[-1]["envelope"]["type"] == f"io.album.{ENDS[image['state']]}"
        thumbnails_are_of_the_last_picture(told)
        assert not {"check_at", "early"} & image.keys()
    await albums_count_what_they_show(shelf, images)
    await the_store_holds_what_the_records_name(shelf, images, pipeline.left_behind)


async def after_a_rough_time(shelf: Shelf, random: Random) -> Pipeline:
    pipeline = Pipeline(shelf, random)
    possible = acts(pipeline)
    for _ in range(STEPS):
        async with anyio.create_task_group() as group:
            for act in random.choices([*possible], [*possible.values()], k=random.choice([1, 1, MOST_AT_ONCE])):
                group.start_soon(act)
    await pipeline.settle()
    return pipeline


async def events_of(shelf: Shelf, image: Document) -> list[Document]:
    public = {"subject": image["_id"], "is_public": True}
    return await shelf.catalog.events.find(public).sort("sequence").to_list(None)


def thumbnails_are_of_the_last_picture(told: list[Document]) -> None:
    last = None
    for event in told:
        data = event["envelope"]["data"]
        last = data.get("encoded", last)
        assert data.get("source", last) == last


async def albums_count_what_they_show(shelf: Shelf, images: list[Document]) -> None:
    shown = Counter(image["album_id"] for image in images if image["state"] != "deleted")
    for album in await shelf.catalog.albums.find().to_list(None):
        expected = 0 if album["state"] == "deleted" else album["content_count"]
        assert shown[album["_id"]] == expected


async def the_store_holds_what_the_records_name(shelf: Shelf, images: list[Document], orphans: set[str]) -> None:
    """Nothing is missing, and what there is beyond it goes with the check of the store."""
    named, unneeded = set(), set()
    for image in (image for image in images if image["state"] != "deleted"):
        kinds = ["encoded", "thumbnail", *(["original"] if image.get("is_original_kept", True) else [])]
        named |= {image[kind]["blob_id"] for kind in kinds if image.get(kind)}
        unneeded |= {image["preview"]["blob_id"]} if image.get("preview") else set()
    stored = await blob_ids(shelf)
    assert named <= stored <= named | unneeded | orphans

    for blob_id in stored:
        await shelf.age(blob_id)
    _, findings = await shelf.check(repair=True)
    assert {finding.kind for finding in findings} <= {"orphan-file"}
    assert named <= await blob_ids(shelf) <= named | unneeded


async def blob_ids(shelf: Shelf) -> set[str]:
    return {blob["_id"] for blob in await shelf.catalog.files.find({}, {"_id": 1}).to_list(None)}
