"""Bytes that look as if nothing named them, and are about to be named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from libs.catalog import orphans
from libs.catalog.catalog import Catalog
from libs.catalog.soundness import count_chunks
from libs.shared.events import utc_now
from libs.shared.mongo import Document
from tests.support.shelf import Shelf

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("is_recorded", [True, False], ids=["recorded", "not recorded"])
async def test_old_chunks_whose_file_is_recorded_just_then_are_no_orphans(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, is_recorded: bool
) -> None:
    ref = await shelf.write("an image", "original")
    file = await shelf.catalog.files.find_one_and_delete({"_id": ref.blob_id})
    assert file is not None

    async def count_and_record(catalog: Catalog, blob_ids: Sequence[str]) -> list[Document]:
        totals = await count_chunks(catalog, blob_ids)
        if is_recorded:
            await catalog.files.insert_one(file)
        return totals

    monkeypatch.setattr(orphans, "count_chunks", count_and_record)
    found = await orphans.orphan_chunks(shelf.catalog, "", utc_now() + timedelta(hours=1))

    assert [orphan.blob_id for orphan in found.orphans] == ([] if is_recorded else [ref.blob_id])


@pytest.mark.parametrize("state", ["queued", "encoded"])
async def test_an_old_file_that_a_message_under_way_may_still_name_is_no_orphan(shelf: Shelf, state: str) -> None:
    image = await (shelf.queued() if state == "queued" else shelf.encoded())
    await shelf.write(image.id, "thumbnail")

    found = await orphans.orphan_files(shelf.catalog, "", utc_now() + timedelta(hours=1))

    assert (image.state, found.orphans) == (state, [])


async def test_a_file_that_an_image_at_rest_does_not_name_is_no_orphan_while_it_is_young(shelf: Shelf) -> None:
    image = await shelf.ready()
    ref = await shelf.write(image.id, "thumbnail")

    young = await orphans.orphan_files(shelf.catalog, "", utc_now() - timedelta(hours=1))
    old = await orphans.orphan_files(shelf.catalog, "", utc_now() + timedelta(hours=1))

    assert ([], [ref.blob_id]) == tuple([orphan.blob_id for orphan in found.orphans] for found in (young, old))


async def test_chunks_of_which_nobody_can_say_when_they_were_made_are_old(shelf: Shelf) -> None:
    await shelf.catalog.chunks.insert_one({"_id": "made by no driver", "files_id": "nobody's", "n": 0, "data": b"!"})

    found = await orphans.orphan_chunks(shelf.catalog, "", utc_now() - timedelta(hours=1))

    assert [(orphan.blob_id, orphan.bytes) for orphan in found.orphans] == [("nobody's", 1)]
