"""Dead letters in the catalog: one each, and what becomes of their images."""

from __future__ import annotations

import json
from typing import Any

import pytest

from libs.catalog import repairs
from libs.catalog.albums import Caller
from libs.catalog.catalog import Catalog
from libs.catalog.dead_letters import BUDGET, MOST_BYTES, Letter, Outcome, Selection, bury, drop, letters, retry_letters
from libs.catalog.deletions import delete_image
from libs.catalog.exhaustion import give_up
from libs.catalog.progress import accept_encoded
from libs.catalog.records import Image
from libs.catalog.requests import emit_again, request_thumbnail
from libs.shared.errors import Outage
from libs.shared.events import Context, ImageUploaded, work_envelope
from tests.support.shelf import CALLER, Shelf

pytestmark = pytest.mark.anyio
DECODER, THUMBNAILER = "album.decoder.v1", "album.thumbnailer.v1"


def message(image: Image) -> bytes:
    """What asked for the current attempt at an image."""
    assert image.original is not None
    event = ImageUploaded(
        album_id=image.album_id, image_id=image.id, original=image.original, generation=image.generation
    )
    return work_envelope(event, "api", Context(owner=image.owner)).to_json()


async def die(shelf: Shelf, image_id: str, times: int) -> Image:
    for _ in range(times):
        assert await bury(shelf.catalog, message(await shelf.image(image_id)), DECODER, "rejected") == image_id
    return await shelf.image(image_id)


async def kept(shelf: Shelf, **selection: str) -> list[Letter]:
    return [letter async for letter in letters(shelf.catalog, Selection(**selection))]


async def retried(shelf: Shelf, **selection: str) -> list[Outcome]:
    return [outcome async for _, outcome in retry_letters(shelf.catalog, Selection(**selection))]


@pytest.mark.parametrize(
    "change",
    [
        {"time": "0001-01-01T00:00:00+14:00"},
        {"sequence": 2**70},
        {"data": {"extra": {"$oid": "what a backup could not bring back"}}},
    ],
)
async def test_a_message_that_the_database_could_not_hold_is_one_that_cannot_be_read(
    shelf: Shelf, change: dict[str, Any]
) -> None:
    content = json.loads(message(await shelf.queued()))
    changed = {**content, **change, "data": {**content["data"], **change.get("data", {})}}
    body = json.dumps(changed).encode()

    assert await bury(shelf.catalog, body, DECODER, "rejected") is None

    assert [letter.code for letter in await kept(shelf)] == ["contract-breach"]


async def test_of_a_message_that_is_too_large_the_beginning_is_kept(shelf: Shelf) -> None:
    assert await bury(shelf.catalog, b"x" * 17_000_000, DECODER, "rejected") is None

    assert [letter.body for letter in await kept(shelf)] == [b"x" * MOST_BYTES]


async def test_a_letter_whose_burial_was_cut_short_counts_once(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    body = message(await shelf.queued())
    image_id = json.loads(body)["subject"]
    for _ in range(BUDGET):
        with monkeypatch.context() as away:
            away.setattr(Catalog, "transact", cut_short)
            with pytest.raises(Outage):
                await bury(shelf.catalog, body, DECODER, "rejected")

    assert await bury(shelf.catalog, body, DECODER, "rejected") == image_id

    image = await shelf.image(image_id)
    assert (image.state, image.generation) == ("queued", 2)
    assert (await die(shelf, image_id, BUDGET - 2)).state == "queued"
    assert (await die(shelf, image_id, 1)).state == "failed"


async def cut_short(*_: object) -> None:
    raise Outage("the database does not answer")


async def test_a_letter_about_a_record_that_cannot_be_read_holds_up_no_other(shelf: Shelf) -> None:
    sound, broken = await shelf.queued(), await shelf.queued()
    for image in (sound, broken):
        await die(shelf, image.id, 1)
    await shelf.catalog.images.update_one({"_id": broken.id}, {"$unset": {"name": ""}})

    assert sorted(await retried(shelf)) == ["queued", "unreadable"]


async def test_an_image_that_became_ready_has_its_whole_budget_again(shelf: Shelf) -> None:
    image = await shelf.encoded()
    ready = await shelf.thumbnail(await die(shelf, image.id, BUDGET - 1))

    assert await request_thumbnail(shelf.catalog, ready, Context())

    assert (await die(shelf, image.id, BUDGET - 1)).state == "encoded"


async def test_a_message_that_cannot_be_read_is_one_letter_however_often_it_is_buried(shelf: Shelf) -> None:
    for body in (b"\xff\x00", b"\xff\x00", b"{}"):
        assert await bury(shelf.catalog, body, DECODER, "rejected") is None

    found = await kept(shelf)

    assert {letter.body for letter in found} == {b"\xff\x00", b"{}"}
    assert {(letter.stage, letter.code, letter.image_id) for letter in found} == {("decoder", "contract-breach", None)}
    assert len({letter.id for letter in found}) == 2
    assert await retried(shelf) == ["unreadable", "unreadable"]


async def test_one_event_that_died_in_two_queues_is_two_letters(shelf: Shelf) -> None:
    body = message(await shelf.queued())

    await bury(shelf.catalog, body, DECODER, "rejected")
    await bury(shelf.catalog, body, THUMBNAILER, "delivery_limit")

    assert {(letter.stage, letter.code) for letter in await kept(shelf)} == {
        ("decoder", "rejected"),
        ("thumbnailer", "delivery-limit"),
    }
    assert [letter.queue for letter in await kept(shelf, code="rejected")] == [DECODER]


async def test_the_letter_of_a_superseded_attempt_is_kept_and_changes_nothing(shelf: Shelf) -> None:
    image = await shelf.queued()
    old = message(image)
    moved_on = await die(shelf, image.id, 1)

    assert await bury(shelf.catalog, old.replace(b'"1.0"', b'"1.0" '), DECODER, "rejected") is None

    assert len(await kept(shelf)) == 2
    assert await shelf.image(image.id) == moved_on


async def test_an_image_fails_when_its_budget_is_spent_and_a_retry_gives_it_a_new_one(shelf: Shelf) -> None:
    image = await shelf.queued()
    assert (await die(shelf, image.id, BUDGET - 1)).state == "queued"
    failed = await die(shelf, image.id, 1)
    assert (failed.state, failed.code, failed.attempts) == ("failed", "attempts-exhausted", BUDGET)
    assert {letter.image_state for letter in await kept(shelf)} == {"failed"}
    await shelf.published()

    assert await retried(shelf, stage="decoder", code="rejected") == ["queued"]

    assert await kept(shelf) == []
    assert await shelf.requests(image.id) == ["io.album.image.uploaded.v1"]
    assert (await die(shelf, image.id, BUDGET - 1)).state == "queued"


@pytest.mark.parametrize("reason", ["expired", "maxlen"])
async def test_what_a_limit_of_the_queue_throws_out_costs_no_budget_and_is_one_letter(
    shelf: Shelf, reason: str
) -> None:
    image = await shelf.queued()
    for _ in range(BUDGET + 1):
        assert await bury(shelf.catalog, message(await shelf.image(image.id)), DECODER, reason) == image.id
        [still] = await repairs.standing_still(shelf.catalog, ["queued"])
        assert await emit_again(shelf.catalog, still.image, still.checks + 1, Context())

    waiting = await shelf.image(image.id)
    assert (waiting.state, waiting.generation) == ("queued", BUDGET + 2)
    assert [(letter.code, letter.image_id) for letter in await kept(shelf)] == [(reason, image.id)]
    assert (await die(shelf, image.id, BUDGET - 1)).state == "queued"


async def test_a_queued_image_can_be_queued_again_with_a_new_budget(shelf: Shelf) -> None:
    image = await shelf.queued()
    waiting = await die(shelf, image.id, BUDGET - 1)

    assert await retried(shelf) == ["queued"]

    again = await shelf.image(image.id)
    assert (again.state, again.generation) == ("queued", waiting.generation + 1)
    assert (await die(shelf, image.id, BUDGET - 1)).state == "queued"


async def test_letters_of_images_that_are_ready_or_deleted_have_nothing_to_retry(shelf: Shelf) -> None:
    ready, deleted = await shelf.ready(), await shelf.ready()
    for image in (ready, deleted):
        await bury(shelf.catalog, message(image), DECODER, "rejected")
    await delete_image(
        shelf.catalog, Caller(CALLER.owner, "somebody", frozenset()), shelf.album_id, deleted.id, Context()
    )

    assert sorted(await retried(shelf)) == ["deleted", "ready"]
    assert len(await kept(shelf)) == 2


async def test_letters_are_dropped_by_what_selects_them(shelf: Shelf) -> None:
    for queue, body in ((DECODER, b"1"), (DECODER, b"2"), (THUMBNAILER, b"3")):
        await bury(shelf.catalog, body, queue, "rejected")
    one, *_ = await kept(shelf, stage="decoder")

    assert await drop(shelf.catalog, Selection(id=one.id)) == 1
    assert await drop(shelf.catalog, Selection(stage="thumbnailer", code="rejected")) == 0
    assert await drop(shelf.catalog, Selection(stage="thumbnailer")) == 1
    assert await drop(shelf.catalog, Selection()) == 1
    assert await kept(shelf) == []


async def test_an_image_without_its_upload_is_queued_again_where_its_picture_is_there(shelf: Shelf) -> None:
    image = await shelf.thumbnail(await shelf.encoded(), keep_original=False)
    assert await request_thumbnail(shelf.catalog, image, Context())
    assert await bury(shelf.catalog, message(await shelf.image(image.id)), THUMBNAILER, "rejected") == image.id

    assert await retried(shelf) == ["queued"]


async def test_an_image_of_which_nothing_is_left_to_work_on_is_not_queued_and_its_letter_stays(shelf: Shelf) -> None:
    image = await shelf.queued()
    await bury(shelf.catalog, message(image), DECODER, "rejected")
    await shelf.catalog.images.update_one({"_id": image.id}, {"$set": {"is_original_kept": False}})

    assert await retried(shelf) == ["lost"]

    assert len(await kept(shelf)) == 1


async def test_an_image_that_goes_on_is_not_given_up(shelf: Shelf) -> None:
    queued = await shelf.queued()
    await accept_encoded(shelf.catalog, await shelf.encoded_event(queued), Context())

    assert not await give_up(shelf.catalog, queued, "decoder", "it died too often", 1, Context())

    assert (await shelf.image(queued.id)).state == "encoded"


async def test_an_image_that_is_tried_again_is_not_given_up_for_an_earlier_try(shelf: Shelf) -> None:
    queued = await shelf.queued()
    assert await emit_again(shelf.catalog, queued, 0, Context())

    assert not await give_up(shelf.catalog, queued, "decoder", "it died too often", 1, Context())

    assert (await shelf.image(queued.id)).state == "queued"
