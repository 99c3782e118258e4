"""Duplicates, reordering and late or superseded results change nothing: the rules of accepting them, one by one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from libs.shared.events import BlobRef, Context, ImageEncoded, ImageUploaded, ThumbnailRequested, work_envelope
from libs.shared.topology import WORK_EXCHANGE
from tests.support.client import AlbumClient
from tests.support.events import Puppet, of, send, sequences, stand_in, subscribed
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def api(_stacks: StartStack) -> Iterator[Stack]:
    """A stack whose stages are played by the tests."""
    stack = _stacks(decoders=0, thumbnailers=0)
    url = stack.environment["ALBUM_AMQP_URL"]
    stand_in(url, "decoder", ImageUploaded)
    stand_in(url, "thumbnailer", ImageEncoded, ThumbnailRequested)
    yield stack
    stack.stop()


@pytest.fixture
def client(api: Stack) -> Iterator[AlbumClient]:
    with api.client() as client:
        yield client


@pytest.fixture
def image(api: Stack, client: AlbumClient) -> Puppet:
    """A queued image that nobody works on."""
    album_id = client.create()
    return Puppet(api, album_id, client.upload(album_id, picture("PNG", 64, 48)).json()["image_id"])


def becomes(image: Puppet, state: str) -> None:
    eventually(lambda: image.state == state, what=f"the image becomes {state}")


def is_emptied(image: Puppet, *lost: str) -> None:
    eventually(lambda: not image.blob_ids() & set(lost), what="the blobs that lost are gone")


def settle(image: Puppet) -> None:
    """Wait until everything that was sent has been applied: an answer sent after it has been."""
    marker = Puppet(image.stack, image.album_id, image.image_id).encoded(generation=99)
    image.send(marker)
    is_emptied(image, marker.encoded.blob_id)


def test_a_result_that_comes_twice_counts_once(image: Puppet) -> None:
    encoded = image.encoded()
    image.send(encoded, encoded)
    becomes(image, "encoded")
    thumbnail = image.thumbnail(encoded)
    image.send(thumbnail, thumbnail, encoded)
    becomes(image, "ready")
    settle(image)

    record = image.record
    assert record["encoded"]["blob_id"] == encoded.encoded.blob_id
    assert record["thumbnail"]["blob_id"] == thumbnail.thumbnail.blob_id
    assert record["sequence"] == 3
    assert image.blob_ids() == {record["original"]["blob_id"], encoded.encoded.blob_id, thumbnail.thumbnail.blob_id}


def test_the_result_of_a_superseded_attempt_is_dropped_with_its_blobs(
    api: Stack, image: Puppet, client: AlbumClient
) -> None:
    image.send(image.failed("decoder"))
    becomes(image, "failed")
    assert client.post("/job/retry", job_id=image.image_id + "job").status_code == 202
    late, fresh = image.encoded(generation=1), image.encoded(generation=2)

    image.send(late, fresh)

    becomes(image, "encoded")
    assert image.record["encoded"]["blob_id"] == fresh.encoded.blob_id
    assert late.preview is not None
    is_emptied(image, late.encoded.blob_id, late.preview.blob_id)


def test_a_failure_of_a_superseded_attempt_changes_nothing(image: Puppet, client: AlbumClient) -> None:
    image.send(image.failed("decoder"))
    becomes(image, "failed")
    assert client.post("/job/retry", job_id=image.image_id + "job").status_code == 202

    image.send(image.failed("decoder", generation=1))
    settle(image)

    assert image.state == "queued"


def test_of_two_results_of_one_attempt_the_first_wins_and_the_other_is_deleted(image: Puppet) -> None:
    first, second = image.encoded(), image.encoded()
    image.send(first)
    becomes(image, "encoded")

    image.send(second)

    assert second.preview is not None
    is_emptied(image, second.encoded.blob_id, second.preview.blob_id)
    assert image.record["encoded"]["blob_id"] == first.encoded.blob_id
    assert first.encoded.blob_id in image.blob_ids()


def test_of_two_thumbnails_the_first_wins_and_the_other_is_deleted(image: Puppet) -> None:
    encoded = image.encoded()
    first, second = image.thumbnail(encoded), image.thumbnail(encoded)
    image.send(encoded, first)
    becomes(image, "ready")

    image.send(second)

    is_emptied(image, second.thumbnail.blob_id)
    assert image.record["thumbnail"]["blob_id"] == first.thumbnail.blob_id
    assert image.record["sequence"] == 3


@pytest.mark.parametrize("times", [1, 2])
def test_a_thumbnail_that_comes_before_its_picture_is_applied_with_it(image: Puppet, times: int) -> None:
    encoded = image.encoded()
    thumbnail = image.thumbnail(encoded)
    image.send(*[thumbnail] * times)
    settle(image)
    assert image.state == "queued"

    image.send(encoded)

    becomes(image, "ready")
    eventually(lambda: image.blob_ids() == image.kept_ids() - {encoded.preview and encoded.preview.blob_id})
    assert image.record["thumbnail"]["blob_id"] == thumbnail.thumbnail.blob_id


def test_an_early_thumbnail_is_applied_even_if_the_first_one_to_apply_its_picture_died(
    api: Stack, image: Puppet
) -> None:
    encoded = image.encoded()
    thumbnail = image.thumbnail(encoded)
    image.send(encoded)
    becomes(image, "encoded")
    # What a process leaves that dies between the two steps.
    early = {"$set": {"early": thumbnail.model_dump(mode="json")}}
    api.database["images"].update_one({"_id": image.image_id}, early)

    image.send(encoded)

    becomes(image, "ready")
    assert image.record["thumbnail"]["blob_id"] == thumbnail.thumbnail.blob_id


def test_a_thumbnail_of_a_picture_that_lost_is_dropped(image: Puppet) -> None:
    lost, won = image.encoded(), image.encoded()
    image.send(won)
    becomes(image, "encoded")
    thumbnail = image.thumbnail(lost)

    image.send(thumbnail)

    is_emptied(image, thumbnail.thumbnail.blob_id)
    assert image.state == "encoded"


def test_results_for_a_deleted_image_are_deleted_as_they_arrive(image: Puppet, client: AlbumClient) -> None:
    encoded = image.encoded()
    assert client.post("/album/image/delete", album_id=image.album_id, image_id=image.image_id).status_code == 200
    eventually(lambda: not image.blob_ids(), what="the bytes follow the tombstone")
    late = image.encoded()

    image.send(encoded, late, image.thumbnail(late))

    eventually(lambda: not image.blob_ids(), what="late results are deleted")
    assert image.state == "deleted"
    assert image.record["sequence"] == 2


def test_a_result_that_names_a_blob_that_does_not_exist_is_none(api: Stack, image: Puppet) -> None:
    encoded = image.encoded()
    missing = encoded.model_copy(update={"encoded": encoded.encoded.model_copy(update={"blob_id": "missing"})})

    image.send(missing)
    settle(image)

    assert image.state == "queued"
    assert api.database["dead_letters"].count_documents({"image_id": image.image_id}) == 0


def test_what_a_deletion_overtook_while_it_was_written_is_deleted_with_its_result(api: Stack, image: Puppet) -> None:
    encoded = image.encoded()
    api.database["fs.files"].delete_one({"_id": encoded.encoded.blob_id})

    image.send(encoded)

    chunks = api.database["fs.chunks"]
    eventually(lambda: chunks.find_one({"files_id": encoded.encoded.blob_id}) is None, what="no chunk is left")
    assert image.state == "queued"


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe nonsense",
        b"{}",
        b'{"specversion":"1.0","id":"1","source":"x","type":"io.album.image.encoded.v1","subject":"1",'
        b'"time":"2026-11-22T08:00:00Z","dataschema":"x","data":{"generation":1e999}}',
        b'{"specversion":"1.0","id":"1","source":"x","type":"io.album.image.encoded.v1","subject":"1",'
        b'"time":"2026-11-22T08:00:00Z","dataschema":"x","data":{"generation":%d}}' % 10**30,
        b'{"specversion":"1.0","id":"1","source":"x","type":"io.album.unheard.of.v1","subject":"1",'
        b'"time":"2026-11-22T08:00:00Z","dataschema":"x","data":{}}',
    ],
    ids=["not JSON", "no CloudEvent", "an endless number", "a number beyond 64 bits", "an unknown type"],
)
def test_an_unreadable_message_is_kept_as_a_dead_letter_and_stops_nobody(
    api: Stack, image: Puppet, body: bytes
) -> None:
    before = api.database["dead_letters"].count_documents({"body": body})

    send(api.environment["ALBUM_AMQP_URL"], ("image.encoded.v1", body))

    def is_kept() -> bool:
        return api.database["dead_letters"].count_documents({"body": body}) > before

    eventually(is_kept, what="the dead letter is kept")
    encoded = image.encoded()
    image.send(encoded, image.thumbnail(encoded))
    becomes(image, "ready")


@pytest.mark.parametrize("generation", [1, 99])
@pytest.mark.parametrize("name", ["encoded", "preview"])
def test_no_result_shows_or_deletes_what_is_another_images(
    api: Stack, client: AlbumClient, image: Puppet, name: str, generation: int
) -> None:
    other = Puppet(api, image.album_id, client.upload(image.album_id, picture("PNG", 64, 48)).json()["image_id"])
    theirs = other.encoded()
    other.send(theirs)
    becomes(other, "encoded")
    kept = other.blob_ids()

    image.send(image.encoded(generation).model_copy(update={name: getattr(theirs, name)}))
    parked(image)

    assert image.record.get("encoded") is None
    assert other.blob_ids() == kept


@pytest.mark.parametrize("name", ["original", "encoded"])
def test_no_result_deletes_what_its_image_has_as_something_else(image: Puppet, name: str) -> None:
    encoded = image.encoded()
    thumbnail = image.thumbnail(encoded)
    image.send(encoded, thumbnail)
    becomes(image, "ready")
    settle(image)
    kept = image.blob_ids()

    image.send(thumbnail.model_copy(update={"thumbnail": BlobRef.model_validate(image.record[name])}))
    parked(image)

    assert image.blob_ids() == kept


def test_no_upload_passes_as_the_picture(image: Puppet) -> None:
    upload = BlobRef.model_validate(image.record["original"])

    image.send(image.encoded().model_copy(update={"encoded": upload}))
    parked(image)

    assert image.record.get("encoded") is None


@pytest.mark.parametrize("lie", [{"content_type": "text/html"}, {"length": 1 << 40}, {"sha256": "0" * 64}])
def test_a_result_that_says_of_a_blob_what_it_is_not_is_none(image: Puppet, lie: dict[str, Any]) -> None:
    event = image.encoded()
    image.send(event.model_copy(update={"encoded": event.encoded.model_copy(update=lie)}))
    parked(image)

    assert image.record.get("encoded") is None


def test_a_blob_has_to_say_no_more_than_whose_it_is(api: Stack, image: Puppet) -> None:
    encoded = image.encoded()
    thumbnail = image.thumbnail(encoded)
    mine = {"metadata.image_id": image.image_id, "metadata.kind": {"$ne": "original"}}
    api.database["fs.files"].update_many(mine, {"$set": {"metadata": {"image_id": image.image_id}}})

    image.send(encoded, thumbnail)

    becomes(image, "ready")


def parked(image: Puppet) -> None:
    letters = image.stack.database["dead_letters"]
    eventually(lambda: letters.count_documents({"image_id": image.image_id}) == 1, what="the result is parked")


def test_an_event_tells_whose_the_image_is_whatever_the_result_said(
    api: Stack, client: AlbumClient, image: Puppet
) -> None:
    encoded = image.encoded()
    envelope = work_envelope(encoded, "puppet", Context(owner="eve", actor="eve"))
    send(api.environment["ALBUM_AMQP_URL"], (envelope.routing_key, envelope.to_json()))
    becomes(image, "encoded")

    told = api.database["events"].find({"subject": image.image_id})
    assert {(event["owner"], event["envelope"]["owner"]) for event in told} == {("local", "local")}


def test_an_event_tells_of_the_album_that_the_image_is_in_whatever_the_result_said(
    api: Stack, client: AlbumClient, image: Puppet
) -> None:
    image.send(image.encoded().model_copy(update={"album_id": client.create()}))
    becomes(image, "encoded")

    told = list(api.database["events"].find({"subject": image.image_id}))
    assert {event["album_id"] for event in told} == {image.album_id}
    assert {event["envelope"]["data"]["album_id"] for event in told} == {image.album_id}


def test_headers_that_only_the_broker_should_write_stop_nobody(api: Stack, image: Puppet) -> None:
    url, letters = api.environment["ALBUM_AMQP_URL"], api.database["dead_letters"]
    body = f'"{uuid.uuid4()}"'.encode()
    forged = {"x-delivery-count": "many", "x-first-death-queue": "\x1b[2J", "x-first-death-reason": "\x1b[2J"}

    send(url, ("image.encoded.v1", body), headers=forged)
    eventually(lambda: letters.count_documents({"body": body}) == 1, what="the dead letter is kept")

    [letter] = letters.find({"body": body})
    assert all(str(letter[name]).isprintable() for name in ("queue", "stage", "code"))
    encoded = image.encoded()
    image.send(encoded)
    becomes(image, "encoded")


def test_a_time_beyond_all_years_stops_nobody(api: Stack, image: Puppet, broker_api: httpx.Client) -> None:
    body = f'"{uuid.uuid4()}"'
    vhost = quote(urlsplit(api.environment["ALBUM_AMQP_URL"]).path.removeprefix("/"), safe="")
    message = {
        "properties": {"timestamp": 1 << 62, "delivery_mode": 2},
        "routing_key": "image.encoded.v1",
        "payload": body,
        "payload_encoding": "string",
    }
    assert broker_api.post(f"exchanges/{vhost}/{WORK_EXCHANGE}/publish", json=message).json() == {"routed": True}
    letters = api.database["dead_letters"]
    eventually(lambda: letters.count_documents({"body": body.encode()}) == 1, what="the dead letter is kept")
    encoded = image.encoded()
    image.send(encoded)
    becomes(image, "encoded")


def test_every_public_event_of_an_image_comes_once_in_order_with_its_deletion_last(
    api: Stack, client: AlbumClient
) -> None:
    with subscribed(api.environment["ALBUM_AMQP_URL"]) as seen:
        album_id = client.create()
        uploaded = client.upload(album_id, picture("PNG", 64, 48)).json()["image_id"]
        image = Puppet(api, album_id, uploaded)
        image.send(image.failed("decoder"))
        becomes(image, "failed")
        assert client.post("/job/retry", job_id=uploaded + "job").status_code == 202
        encoded = image.encoded(generation=2)
        image.send(image.thumbnail(encoded), encoded, encoded)
        becomes(image, "ready")
        client.post("/album/image/delete", album_id=album_id, image_id=uploaded)
        image.send(encoded, image.thumbnail(encoded))

        eventually(lambda: "image.deleted.v1" in of(uploaded, seen), what="the deletion is told")
        client.post("/album/delete", album_id=album_id)
        eventually(lambda: "album.deleted.v1" in of(album_id, seen), what="the album's deletion is told")

    assert of(uploaded, seen) == [
        "image.uploaded.v1",
        "image.failed.v1",
        "image.uploaded.v1",
        "image.encoded.v1",
        "thumbnail.created.v1",
        "image.deleted.v1",
    ]
    assert sequences(uploaded, seen) == [1, 2, 3, 4, 5, 6]
    assert of(album_id, seen) == ["album.created.v1", "album.deleted.v1"]
    assert sequences(album_id, seen) == [1, 2]
