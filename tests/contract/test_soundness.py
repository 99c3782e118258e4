"""What shows that a blob is not whole, without its bytes being read."""

from __future__ import annotations

from typing import Any

import pytest

from libs.catalog.soundness import judge
from tests.support.shelf import CONTENT, Shelf

pytestmark = pytest.mark.anyio


async def test_a_blob_that_nobody_has_touched_is_sound(shelf: Shelf) -> None:
    ref = await shelf.write("an image", "encoded")

    assert await judge(shelf.catalog, [ref]) == {ref.blob_id: "sound"}


@pytest.mark.parametrize(
    ("name", "wanted", "change"),
    [
        ("chunks", {"n": 1}, {"$set": {"n": 7}}),
        ("chunks", {"n": 1}, {"$set": {"data": b"short"}}),
        ("files", {}, {"$set": {"length": len(CONTENT) - 1}}),
    ],
    ids=["a chunk in another place", "a short chunk", "a record of another length"],
)
async def test_a_blob_that_cannot_be_read_to_its_end_is_damaged(
    shelf: Shelf, name: str, wanted: dict[str, Any], change: dict[str, Any]
) -> None:
    ref = await shelf.write("an image", "encoded")
    whose = "files_id" if name == "chunks" else "_id"
    changed = await shelf.catalog.database[f"fs.{name}"].update_one({whose: ref.blob_id, **wanted}, change)
    assert changed.modified_count == 1

    assert await judge(shelf.catalog, [ref]) == {ref.blob_id: "damaged"}
