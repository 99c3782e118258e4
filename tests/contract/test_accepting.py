"""What is decided while an image is accepted and made: who has a key, whether its original stays, how much is swept."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from libs.catalog import deletions, progress, repairs, uploads
from libs.catalog.records import Image
from libs.catalog.requests import emit_again, request_thumbnail, retry
from libs.catalog.uploads import Intent
from libs.shared.errors import Outage, Refusal
from libs.shared.events import Context, ImageFailed, utc_now
from libs.shared.gridfs import GridFsBlobStore
from tests.support.shelf import CALLER, CONTENT, Shelf, stream

pytestmark = pytest.mark.anyio
KEY = uploads.idempotency_key(CALLER, "album", "once")


async def begun(shelf: Shelf) -> Intent:
    """An upload under way that asks for the key."""
    intent = Intent(str(uuid.uuid4()), str(uuid.uuid4()), CALLER)
    await uploads.begin(shelf.catalog, intent)
    return intent


async def accept(shelf: Shelf, intent: Intent, key: str | None = None) -> None:
    original = await shelf.blobs.write(
        stream(CONTENT), kind="original", content_type="image/jpeg", image_id=intent.image_id, blob_id=intent.blob_id
    )
    await uploads.accept(shelf.catalog, intent, shelf.album_id, "beach", original, key, Context())


async def failed(shelf: Shelf, image: Image) -> Image:
    """The image, after the stage that it waited for has failed at it."""
    stage = "decoder" if image.state == "queued" else "thumbnailer"
    of_it = {"album_id": image.album_id, "image_id": image.id, "generation": image.generation}
    event = ImageFailed(**of_it, stage=stage, code="corrupt-image", message="broken", attempts=1)
    outcome = await progress.accept_failed(shelf.catalog, event, Context())
    assert outcome.image is not None
    return outcome.image


async def test_an_upload_that_has_lost_its_key_is_not_accepted_and_its_successor_is(shelf: Shelf) -> None:
    slow, quick = await begun(shelf), await begun(shelf)
    shelf.catalog.upload_lease = timedelta(seconds=-1)
    assert await uploads.claim_key(shelf.catalog, KEY, slow) is None
    shelf.catalog.upload_lease = timedelta(seconds=60)
    assert await uploads.claim_key(shelf.catalog, KEY, quick) is None

    with pytest.raises(Outage):
        await accept(shelf, slow, KEY)
    await accept(shelf, quick, KEY)

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


async def test_a_key_that_was_used_is_known_when_its_upload_would_have_lost_it(shelf: Shelf) -> None:
    shelf.catalog.upload_lease = timedelta(seconds=-1)
    used, again = await begun(shelf), await begun(shelf)
    assert await uploads.claim_key(shelf.catalog, KEY, used) is None
    await accept(shelf, used, KEY)

    assert await uploads.claim_key(shelf.catalog, KEY, again) == used.image_id


async def test_an_upload_that_was_accepted_without_its_knowledge_is_not_given_up(shelf: Shelf) -> None:
    accepted, broken_off = await begun(shelf), await begun(shelf)
    assert await uploads.claim_key(shelf.catalog, KEY, accepted) is None
    await accept(shelf, accepted, KEY)

    assert not await uploads.give_up(shelf.catalog, accepted)
    assert await uploads.give_up(shelf.catalog, broken_off)

    with pytest.raises(Outage):
        await accept(shelf, broken_off, KEY)


@pytest.mark.parametrize("is_kept", [True, False])
async def test_whether_an_original_is_kept_is_decided_once(shelf: Shelf, is_kept: bool) -> None:
    ready = await shelf.thumbnail(await shelf.encoded(), keep_original=is_kept)
    assert await request_thumbnail(shelf.catalog, ready, Context())

    again = await shelf.thumbnail(await shelf.image(ready.id), keep_original=not is_kept)

    assert again.state == "ready"
    assert again.is_original_kept is is_kept
    assert again.original is not None
    assert bool(await shelf.blobs.find(again.original.blob_id)) is is_kept


async def test_a_thumbnail_that_comes_twice_names_twice_what_its_image_needs_no_longer(shelf: Shelf) -> None:
    image = await shelf.encoded()
    event = await shelf.thumbnail_event(image)
    assert image.original is not None

    for _ in range(2):
        outcome = await progress.accept_thumbnail(shelf.catalog, event, Context(), keep_original=False)
        assert outcome.lost == [image.original.blob_id]


async def test_a_thumbnail_of_an_attempt_that_was_given_up_is_not_kept_for_the_next(shelf: Shelf) -> None:
    image = await shelf.queued()
    picture = await shelf.encoded_event(image)
    stale = await shelf.thumbnail_event(image.model_copy(update={"encoded": picture.encoded}))
    assert await emit_again(shelf.catalog, image, 1, Context())

    outcome = await progress.accept_thumbnail(shelf.catalog, stale, Context(), keep_original=True)

    assert outcome.lost == [stale.thumbnail.blob_id]


async def test_a_second_early_thumbnail_stays_for_whoever_has_the_same_message_and_is_slower(shelf: Shelf) -> None:
    queued = await shelf.queued()
    picture = await shelf.encoded_event(queued)
    early = queued.model_copy(update={"encoded": picture.encoded})
    first, second = await shelf.thumbnail_event(early), await shelf.thumbnail_event(early)
    await progress.accept_thumbnail(shelf.catalog, first, Context(), keep_original=True)

    quick = await progress.accept_thumbnail(shelf.catalog, second, Context(), keep_original=True)
    await progress.accept_encoded(shelf.catalog, picture, Context())
    slow = await progress.accept_thumbnail(shelf.catalog, second, Context(), keep_original=True)

    assert slow.image is not None
    assert slow.image.thumbnail == second.thumbnail
    assert quick.lost == []


async def test_bytes_whose_record_is_gone_already_go_with_their_image(shelf: Shelf) -> None:
    image = await shelf.ready()
    assert image.encoded is not None
    await deletions.delete_image(shelf.catalog, CALLER, shelf.album_id, image.id, Context())
    await shelf.catalog.files.delete_one({"_id": image.encoded.blob_id})

    await deletions.purge_image(shelf.catalog, shelf.blobs, image.id)

    assert await shelf.catalog.chunks.count_documents({}) == 0


async def test_an_upload_that_shows_itself_alive_just_before_it_is_undone_goes_on(shelf: Shelf) -> None:
    shelf.catalog.upload_lease = timedelta(seconds=-1)
    intents = [await begun(shelf), await begun(shelf)]
    shelf.catalog.upload_lease = timedelta(seconds=60)
    await shelf.published()  # nobody sees what has just begun before a majority has what was written after it

    class Slow(GridFsBlobStore):
        async def delete(self, *blob_ids: str) -> None:
            for intent in intents:
                await uploads.renew(shelf.catalog, intent, None)

    assert await repairs.undo_expired_intents(shelf.catalog, Slow(shelf.catalog.database)) == 1

    [left] = await shelf.catalog.images.find({"state": "receiving"}).to_list(None)
    await accept(shelf, next(intent for intent in intents if intent.image_id == left["_id"]))


async def test_a_deleted_album_is_swept_in_batches(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions, "SWEEP_BATCH", 2)
    images = [await shelf.queued() for _ in range(3)]
    await deletions.delete_album(shelf.catalog, CALLER, shelf.album_id, Context())

    async def sweep() -> tuple[bool, int, list[str]]:
        is_left = await deletions.sweep_batch(shelf.catalog, shelf.blobs, shelf.album_id, Context())
        left = await shelf.catalog.images.count_documents({"state": "queued"})
        return is_left, left, await repairs.albums_to_sweep(shelf.catalog)

    to_sweep = [shelf.album_id]
    swept = [await sweep() for _ in range(3)]
    assert swept == [(True, len(images) - 2, to_sweep), (True, 0, to_sweep), (False, 0, [])]


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
        image = await retry(shelf.catalog, await failed(shelf, image), Context())

    assert len(image.timeline) == 100
    assert [step.event for step in image.timeline[-2:]] == ["failed", "queued"]


async def test_of_images_that_failed_long_ago_those_with_a_picture_keep_their_upload(shelf: Shelf) -> None:
    shown, _ = await failed(shelf, await shelf.encoded()), await failed(shelf, await shelf.queued())

    assert await repairs.drop_originals_of_failed(shelf.catalog, shelf.blobs, timedelta(0)) == 1

    assert (await shelf.image(shown.id)).is_original_kept
    assert shown.original is not None
    assert await shelf.blobs.find(shown.original.blob_id)


async def test_a_retry_that_was_decided_before_an_upload_was_dropped_is_refused(shelf: Shelf) -> None:
    image = await failed(shelf, await shelf.queued())
    assert await repairs.drop_originals_of_failed(shelf.catalog, shelf.blobs, timedelta(0)) == 1

    with pytest.raises(Refusal, match="has not failed"):
        await retry(shelf.catalog, image, Context())

    assert (await shelf.image(image.id)).state == "failed"
