"""A round of the reconciler: what it does first, where it stops, and what it does without a broker."""

from __future__ import annotations

from datetime import timedelta

import pytest

from libs.catalog import deletions, progress, requests
from libs.catalog.status import pulse
from libs.shared.events import Context, utc_now
from libs.shared.topology import queue_of
from services.api import reconcile as reconcile_module
from services.api.reconcile import NEARLY_EMPTY, reconcile
from tests.support.core import always, core_of
from tests.support.shelf import CALLER, Shelf

pytestmark = pytest.mark.anyio


async def still_and_deleted(shelf: Shelf) -> tuple[str, str]:
    """An image that stands still, and one that is deleted and not purged."""
    still, deleted = await shelf.queued(), await shelf.queued()
    await shelf.catalog.images.update_one({"_id": still.id}, {"$set": {"check_at": utc_now() - timedelta(minutes=1)}})
    await deletions.delete_image(shelf.catalog, CALLER, shelf.album_id, deleted.id, Context())
    return still.id, deleted.id


async def is_purged(shelf: Shelf, image_id: str) -> bool:
    return await shelf.catalog.files.find_one({"metadata.image_id": image_id}) is None


async def test_a_round_sees_to_all_of_it(shelf: Shelf) -> None:
    still, deleted = await still_and_deleted(shelf)

    await reconcile(core_of(shelf), always)

    assert (await shelf.image(still)).generation == 2
    assert await is_purged(shelf, deleted)


async def test_an_image_that_goes_on_is_not_stuck_any_more(shelf: Shelf) -> None:
    still, _ = await still_and_deleted(shelf)
    await reconcile(core_of(shelf), always)
    assert (await pulse(shelf.catalog)).images_stuck == 1

    event = await shelf.encoded_event(await shelf.image(still))
    await progress.accept_encoded(shelf.catalog, event, Context())

    assert (await pulse(shelf.catalog)).images_stuck == 0


async def test_an_image_whose_upload_was_given_up_while_it_waited_for_it_fails(shelf: Shelf) -> None:
    still, _ = await still_and_deleted(shelf)
    await shelf.catalog.images.update_one({"_id": still}, {"$set": {"is_original_kept": False}})

    await reconcile(core_of(shelf), always)

    image = await shelf.image(still)
    assert (image.state, image.code) == ("failed", "attempts-exhausted")


async def test_what_stands_still_comes_first_and_a_lost_lease_ends_the_round(shelf: Shelf) -> None:
    still, deleted = await still_and_deleted(shelf)
    answers = iter([True])

    async def once() -> bool:
        return next(answers, False)

    await reconcile(core_of(shelf), once)

    assert (await shelf.image(still)).generation == 2
    assert not await is_purged(shelf, deleted)


async def test_what_needs_no_broker_is_done_without_one(shelf: Shelf) -> None:
    still, deleted = await still_and_deleted(shelf)

    await reconcile(core_of(shelf, is_broker_there=False), always)

    assert (await shelf.image(still)).generation == 1
    assert await is_purged(shelf, deleted)


async def test_what_waits_to_be_published_is_not_emitted_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile_module, "NEARLY_EMPTY", 1)
    still, _ = await still_and_deleted(shelf)

    await reconcile(core_of(shelf), always)
    assert (await shelf.image(still)).generation == 1

    await shelf.published()
    await reconcile(core_of(shelf), always)
    assert (await shelf.image(still)).generation == 2


@pytest.mark.parametrize(
    ("stage", "most"), [("api", NEARLY_EMPTY), ("decoder", NEARLY_EMPTY), ("thumbnailer", 10 * NEARLY_EMPTY)]
)
async def test_what_stands_still_behind_a_full_queue_is_only_waiting(shelf: Shelf, stage: str, most: int) -> None:
    still, _ = await still_and_deleted(shelf)
    await shelf.published()

    await reconcile(core_of(shelf, waiting={queue_of(stage): most + 1}), always)
    assert (await shelf.image(still)).generation == (2 if stage == "thumbnailer" else 1)

    await reconcile(core_of(shelf, waiting={queue_of(stage): most}), always)
    assert (await shelf.image(still)).generation == 2


async def test_what_is_emitted_again_tells_who_uploaded_it(shelf: Shelf) -> None:
    still, _ = await still_and_deleted(shelf)

    await reconcile(core_of(shelf), always)

    event = await shelf.catalog.events.find_one({"subject": still, "is_public": False})
    assert event is not None
    told = event["envelope"]
    assert (told["owner"], told["actor"], told["correlationid"]) == (CALLER.owner, CALLER.actor, still + "job")


async def test_however_long_an_image_stands_still_it_is_looked_at_again(shelf: Shelf) -> None:
    pauses = []
    image = await shelf.queued()
    for checks in (0, 1, 6, 7, 1_000):
        began = utc_now()
        assert await requests.emit_again(shelf.catalog, image, checks, Context())
        document = await shelf.catalog.images.find_one({"_id": image.id}) or {}
        pauses.append(round((document["check_at"] - began) / shelf.catalog.check_after))
        image = await shelf.image(image.id)

    assert pauses == [1, 2, 64, 64, 64]
