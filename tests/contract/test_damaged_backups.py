"""Blobs that a backup cannot have or no longer has, and what else a restore finds that is not as it should be."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from libs.catalog.archive import VERSION
from libs.catalog.backup import backup
from libs.catalog.deletions import delete_image
from libs.catalog.progress import accept_encoded
from libs.catalog.restore import restore
from libs.shared.errors import Refusal
from libs.shared.events import BlobRef, Context, utc_now
from libs.shared.gridfs import GridFsBlobStore
from tests.support.shelf import CALLER, CONTENT, Shelf

pytestmark = pytest.mark.anyio


class Meanwhile(GridFsBlobStore):
    """Blobs while the first one of which is read something happens."""

    def __init__(self, shelf: Shelf, work: Callable[[], Awaitable[None]]) -> None:
        super().__init__(shelf.catalog.database)
        self._work = work
        self._is_over = False

    async def read(self, ref: BlobRef, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        if not self._is_over:
            self._is_over = True
            await self._work()
        async for piece in super().read(ref, start, stop):
            yield piece


def stored(backup: Path, ref: BlobRef | None) -> Path:
    """The file of a blob."""
    assert ref is not None
    return backup / "blobs" / ref.blob_id[:2] / ref.blob_id[2:4] / ref.blob_id


@pytest.mark.parametrize("is_changed", [True, False], ids=["changed", "gone"])
async def test_a_blob_that_the_store_has_changed_or_lost_is_told_of_and_not_promised_by_the_backup(
    shelf: Shelf, tmp_path: Path, is_changed: bool
) -> None:
    image = await shelf.ready()
    assert image.thumbnail is not None
    if is_changed:
        [last] = await shelf.catalog.chunks.find({"files_id": image.thumbnail.blob_id}).sort("n", -1).to_list(1)
        changed = {"$set": {"data": bytes(len(last["data"]))}}
        await shelf.catalog.chunks.update_one({"_id": last["_id"]}, changed)
    else:
        await shelf.blobs.delete(image.thumbnail.blob_id)
    told: list[str] = []

    copied = await backup(shelf.catalog, shelf.blobs, tmp_path, told.append)

    assert (copied.blobs, copied.damaged) == (2, 1)
    assert told == [f"the thumbnail of image {image.id} is missing or damaged in the store"]
    assert not stored(tmp_path, image.thumbnail).exists()
    restored = await restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)
    assert (restored.blobs, restored.damaged, restored.requeued) == (2, 0, 1)


async def test_an_image_that_comes_to_rest_while_its_upload_is_copied_is_in_the_backup_as_it_is_then(
    shelf: Shelf, tmp_path: Path
) -> None:
    image = await shelf.queued()

    async def come_to_rest() -> None:
        encoded = await shelf.encoded_event(image)
        assert (await accept_encoded(shelf.catalog, encoded, Context())).image is not None
        await shelf.thumbnail(await shelf.image(image.id), keep_original=False)

    copied = await backup(shelf.catalog, Meanwhile(shelf, come_to_rest), tmp_path, print)

    assert (copied.images, copied.blobs, copied.damaged) == (1, 2, 0)
    restored = await restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)
    assert (restored.blobs, restored.damaged, (await shelf.image(image.id)).state) == (2, 0, "ready")


async def test_an_image_that_is_deleted_while_it_is_copied_is_there_after_a_restore_as_if_it_had_not_been(
    shelf: Shelf, tmp_path: Path
) -> None:
    image = await shelf.ready()

    async def delete() -> None:
        await delete_image(shelf.catalog, CALLER, shelf.album_id, image.id, Context(owner="local"))

    await backup(shelf.catalog, Meanwhile(shelf, delete), tmp_path, print)
    await restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)

    album = await shelf.catalog.albums.find_one({"_id": shelf.album_id})
    assert album is not None
    assert ((await shelf.image(image.id)).state, album["content_count"]) == ("ready", 1)
    # The number of its deletion will be given to whatever happens to it next.
    told = await shelf.catalog.events.find({"subject": image.id, "is_public": True}).sort("sequence").to_list(None)
    assert [event["sequence"] for event in told] == [1, 2, 3]


async def test_a_queued_image_whose_upload_the_backup_has_lost_fails_with_a_code(shelf: Shelf, tmp_path: Path) -> None:
    image = await shelf.queued()
    await backup(shelf.catalog, shelf.blobs, tmp_path, print)
    stored(tmp_path, image.original).unlink()

    restored = await restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)

    assert (restored.damaged, restored.requeued) == (1, 0)
    found = await shelf.image(image.id)
    assert (found.state, found.code) == ("failed", "attempts-exhausted")


async def test_a_manifest_that_names_a_file_outside_of_the_backup_has_none_of_it_read(
    shelf: Shelf, tmp_path: Path
) -> None:
    image = await shelf.queued()
    assert image.original is not None
    await backup(shelf.catalog, shelf.blobs, tmp_path, print)
    manifest = tmp_path / "manifest.jsonl"
    elsewhere = tmp_path.parent / image.original.blob_id
    elsewhere.write_bytes(CONTENT)
    manifest.write_text(manifest.read_text().replace(image.original.blob_id, str(elsewhere)))

    with pytest.raises(Refusal, match="a blob that cannot be one of ours"):
        await restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)

    assert await shelf.catalog.files.count_documents({}) == 0


@pytest.mark.parametrize("line", ["[]", '"backup"', "{", '{"line": {"$oid": "no id"}}', '{"line": {"$date": "never"}}'])
async def test_a_manifest_with_a_line_that_is_no_document_is_damaged(shelf: Shelf, tmp_path: Path, line: str) -> None:
    await backup(shelf.catalog, shelf.blobs, tmp_path, print)
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(f"{line}\n{manifest.read_text()}")

    with pytest.raises(Refusal, match=r"manifest\.jsonl is missing or damaged"):
        await restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)

    assert await shelf.catalog.albums.count_documents({}) == 1


async def test_a_backup_of_a_format_that_is_not_known_is_refused_before_anything_is_dropped(
    shelf: Shelf, tmp_path: Path
) -> None:
    await backup(shelf.catalog, shelf.blobs, tmp_path, print)
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace(f'"version": {VERSION}', f'"version": {VERSION + 1}'))

    with pytest.raises(Refusal, match=f"has format {VERSION + 1}; only 2 and {VERSION} can be read"):
        await restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)

    assert await shelf.catalog.albums.count_documents({}) == 1


async def test_nothing_of_the_database_before_is_left_by_a_restore_that_drops_it(shelf: Shelf, tmp_path: Path) -> None:
    await backup(shelf.catalog, shelf.blobs, tmp_path, print)
    # What a restore that was killed has left among it.
    passing = ("sessions", "idempotency", "fsck", "events.restored")
    for name in passing:
        await shelf.catalog.database[name].insert_one({"_id": "of before"})

    await restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)

    for name in (*passing, "events"):
        assert await shelf.catalog.database[name].count_documents({"_id": "of before"}) == 0


async def test_a_database_that_holds_nothing_but_bytes_is_not_empty(shelf: Shelf, tmp_path: Path) -> None:
    await backup(shelf.catalog, shelf.blobs, tmp_path, print)
    await shelf.write("an image", "original")
    for name in ("albums", "events"):
        await shelf.catalog.database[name].delete_many({})

    with pytest.raises(Refusal, match="--drop would remove it"):
        await restore(shelf.catalog, shelf.blobs, tmp_path, print)

    assert await shelf.catalog.files.count_documents({}) == 1


@pytest.mark.parametrize("lease", ["reconciler", "migrations"])
async def test_a_restore_is_refused_beside_whoever_repairs_or_upgrades_the_database_and_keeps_out_nobody_after_it(
    shelf: Shelf, tmp_path: Path, lease: str
) -> None:
    await backup(shelf.catalog, shelf.blobs, tmp_path, print)
    held = {"_id": lease, "holder": "an API", "until": utc_now() + timedelta(minutes=1)}
    await shelf.catalog.leases.insert_one(held)

    with pytest.raises(Refusal, match="stop it first"):
        await restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)

    assert await shelf.catalog.albums.count_documents({}) == 1
    await shelf.catalog.leases.delete_one({"_id": lease})
    await restore(shelf.catalog, shelf.blobs, tmp_path, print, is_to_drop=True)
    assert await shelf.catalog.leases.count_documents({}) == 0
