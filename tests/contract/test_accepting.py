"""What is decided while an image is accepted and made: who has a key, whether its original stays, how much is swept."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from libs.catalog import deletions, progress, repairs, uploads
from libs.catalog.requests import request_thumbnail, retry
from libs.catalog.uploads import Intent
from libs.shared.errors import Outage, Refusal
from libs.shared.events import Context, ImageFailed, utc_now
from tests.support.shelf import CALLER, CONTENT, Shelf, stream

pytestmark = pytest.mark.anyio
KEY = uploads.idempotency_key(CALLER, "album", "once")


async def begun(shelf: Shelf) -> Intent:
    """An upload under way that asks for the key."""
    intent = Intent(str(uuid.uuid4()), str(uuid.uuid4()), CALLER)
    await uploads.begin(shelf.catalog, intent)
    return intent


async def accept(shelf: Shelf, intent: Intent) -> None:
    original = await shelf.blobs.write(
        stream(CONTENT), kind="original", content_type="image/jpeg", image_id=intent.image_id, blob_id=intent.blob_id
    )
    await uploads.accept(shelf.catalog, intent, shelf.album_id, "beach", original, KEY, Context())


async def test_an_upload_that_has_lost_its_key_is_not_accepted_and_its_successor_is(shelf: Shelf) -> None:
    slow, quick = await begun(shelf), await begun(shelf)
    shelf.catalog.upload_lease = timedelta(seconds=-1)
    assert await uploads.claim_key(shelf.catalog, KEY, slow) is None
    shelf.catalog.upload_lease = timedelta(seconds=60)
    assert await uploads.claim_key(shelf.catalog, KEY, quick) is None

    with pytest.raises(Outage):
        await accept(shelf, slow)
    await accept(shelf, quick)

    assert await uploads.claim_key(shelf.catalog, KEY, await begun(shelf)) == quick.image_id
    assert (await shelf.catalog.images.find_one({"_id": slow.image_id}) or {})["state"] == "receiving"


async def test_an_upload_gives_back_no_key_but_its_own(shelf: Shelf) -> None:
    ours, other = await begun(shelf), await begun(shelf)
    assert await uploads.claim_key(shelf.catalog, KEY, ours) is None

    await uploads.abandon(shelf.catalog, other, KEY)
    with pytest.raises(Refusal, match="under way"):
        await uploads.claim_key(shelf.catalog, KEY, other)
    await uploads.abandon(shelf.catalog, ours, KEY)

    assert await uploads.claim_key(shelf.catalog, KEY, other) is None


@pytest.mark.parametrize("is_kept", [True, False])
async def test_whether_an_original_is_kept_is_decided_once(shelf: Shelf, is_kept: bool) -> None:
    ready = await shelf.thumbnail(await shelf.encoded(), keep_original=is_kept)
    assert await request_thumbnail(shelf.catalog, ready, Context())

    again = await shelf.thumbnail(await shelf.image(ready.id), keep_original=not is_kept)

    assert again.state == "ready"
    assert again.is_original_kept is is_kept
    assert again.original is not None
    assert bool(await shelf.blobs.find(again.original.blob_id)) is is_kept


async def test_a_deleted_album_is_swept_in_batches(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions, "SWEEP_BATCH", 2)
    images = [await shelf.queued() for _ in range(3)]
    await deletions.delete_album(shelf.catalog, CALLER, shelf.album_id, Context())

    async def sweep() -> tuple[bool, int]:
        is_left = await deletions.sweep_batch(shelf.catalog, shelf.blobs, shelf.album_id, Context())
        return is_left, await shelf.catalog.images.count_documents({"state": "queued"})

    assert [await sweep() for _ in range(3)] == [(True, len(images) - 2), (True, 0), (False, 0)]
    assert await shelf.catalog.albums.find_one({"sweep": True}) is None


async def test_an_original_is_decided_about_though_its_picture_is_accepted_just_then(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = await shelf.queued()
    picture = await shelf.encoded_event(queued)
    change, is_first = progress._change, True

    async def change_slowly(*arguments: Any) -> Any:
        nonlocal is_first
        changed = await change(*arguments)
        if is_first:
            is_first = False
            await progress.accept_encoded(shelf.catalog, picture, Context())
        return changed

    monkeypatch.setattr(progress, "_change", change_slowly)
    early = queued.model_copy(update={"encoded": picture.encoded})

    ready = await shelf.thumbnail(early, keep_original=False)

    assert (ready.state, ready.is_original_kept) == ("ready", False)
    assert ready.original is not None
    assert not await shelf.blobs.find(ready.original.blob_id)


async def test_a_record_that_cannot_be_read_holds_up_no_other(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repairs, "BATCH", 1)
    broken, sound = await shelf.queued(), await shelf.queued()
    for number, image in enumerate((broken, sound)):
        due = {"$set": {"check_at": utc_now() - timedelta(minutes=10 - number)}}
        await shelf.catalog.images.update_one({"_id": image.id}, due)
    await shelf.catalog.images.update_one({"_id": broken.id}, {"$unset": {"name": ""}})

    found = [[still.image.id for still in await repairs.standing_still(shelf.catalog, ["queued"])] for _ in range(2)]

    assert found == [[], [sound.id]]


async def test_the_record_of_a_job_that_is_retried_for_ever_does_not_grow_for_ever(shelf: Shelf) -> None:
    image = await shelf.queued()
    for _ in range(60):
        of_it = {"album_id": image.album_id, "image_id": image.id, "generation": image.generation}
        failed = ImageFailed(**of_it, stage="decoder", code="corrupt-image", message="broken", attempts=1)
        outcome = await progress.accept_failed(shelf.catalog, failed, Context())
        assert outcome.image is not None
        image = await retry(shelf.catalog, outcome.image, Context())

    assert len(image.timeline) == 100
    assert [step.event for step in image.timeline[-2:]] == ["failed", "queued"]
