"""Services of different versions at one broker: what the first one said is understood, and it is answered in kind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import jsonschema
import pytest

from libs.shared.events import (
    Envelope,
    Event,
    ImageEncoded,
    ImageFailed,
    ImageUploaded,
    ThumbnailCreated,
    ThumbnailRequested,
    schema_path,
)
from libs.shared.topology import EVENTS_EXCHANGE, WORK_EXCHANGE
from tests.support import first_version
from tests.support.audit import entries
from tests.support.contracts import DOCS
from tests.support.events import of, send, stand_in, subscribed
from tests.support.first_version import Body
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually
from tests.support.webhooks import NewHook

Said = Callable[[Body], Body]
SAID: dict[str, Said] = {"as it was said": lambda body: body, "with later fields": first_version.as_of_a_later_day}


@pytest.fixture(params=[*SAID])
def said(request: pytest.FixtureRequest) -> Said:
    """How a recorded message is sent: as it was, or as a version might send it that has added fields."""
    return SAID[request.param]


def tell(stack: Stack, *bodies: Body, exchange: str = WORK_EXCHANGE) -> None:
    """Publish what other versions of the services say."""
    sent = [(Envelope.model_validate(body).routing_key, json.dumps(body).encode()) for body in bodies]
    send(stack.environment["ALBUM_AMQP_URL"], *sent, exchange=exchange)


def answered(seen: list[Envelope], event: type[Event], source: str, generation: int = 1) -> Envelope:
    """The first answer of one kind, once it is there."""

    def find() -> Envelope | None:
        for envelope in list(seen):
            is_kind = (envelope.routing_key, envelope.source) == (event.routing_key, f"/album/{source}")
            if is_kind and envelope.data["generation"] == generation:
                return envelope
        return None

    found = eventually(find, what=f"{source} says {event.routing_key}")
    assert found is not None
    return found


def assert_readable_by_the_first_version(envelope: Envelope) -> None:
    """It keeps to the published schemas of version 1, and lacks nothing that the first version said."""
    event = type(envelope.event())
    message = json.loads(envelope.to_json())
    for path, part in ((schema_path(event), message["data"]), ("/schemas/envelope.json", message)):
        schema = json.loads((DOCS / path.lstrip("/")).read_text())
        jsonschema.validate(part, schema, cls=jsonschema.Draft202012Validator)
    recorded, *_ = first_version.messages(event)
    assert recorded.keys() - {"causationid", "correlationid"} <= message.keys()
    assert_no_less(recorded["data"], message["data"])


def assert_no_less(recorded: Body, now: Body) -> None:
    for name, value in recorded.items():
        assert type(now[name]) is type(value), name
        if isinstance(value, dict):
            assert_no_less(value, now[name])


def test_todays_stages_work_for_another_versions_api(start_stack: StartStack, said: Said) -> None:
    stack = start_stack(apis=0)
    first_version.store(stack.database)
    first_version.store_results(stack.database)
    uploads = first_version.messages(ImageUploaded)
    [sound] = [body for body in uploads if body["data"]["original"]["content_type"] == "image/heif"]
    [torn] = [body for body in uploads if body is not sound]
    [asked_again] = first_version.messages(ThumbnailRequested)

    with subscribed(stack.environment["ALBUM_AMQP_URL"], exchange=WORK_EXCHANGE) as seen:
        tell(stack, said(sound), said(torn), said(asked_again))
        answers = [
            answered(seen, ImageEncoded, "decoder"),
            answered(seen, ThumbnailCreated, "thumbnailer"),
            answered(seen, ImageFailed, "decoder"),
            answered(seen, ThumbnailCreated, "thumbnailer", generation=2),
        ]

    for answer in answers:
        assert_readable_by_the_first_version(answer)
    assert answers[0].data["image_id"] == sound["data"]["image_id"]
    assert answers[1].data["source"] == answers[0].data["encoded"]
    assert (answers[2].data["image_id"], answers[2].data["code"]) == (torn["data"]["image_id"], "truncated-image")
    assert answers[3].data["source"] == asked_again["data"]["encoded"]
    for kind, answer in (("encoded", answers[0]), ("thumbnail", answers[1])):
        [stored] = stack.blobs(kind=kind, sha256=answer.data[kind]["sha256"], image_id=sound["data"]["image_id"])[-1:]
        assert stored["length"] == answer.data[kind]["length"]


def test_todays_api_takes_what_another_versions_stages_have_made(start_stack: StartStack, said: Said) -> None:
    stack = start_stack(apis=0, decoders=0, thumbnailers=0)
    first_version.store(stack.database)
    first_version.store_results(stack.database)
    url = stack.environment["ALBUM_AMQP_URL"]
    [encoded] = first_version.messages(ImageEncoded)
    [created] = first_version.messages(ThumbnailCreated)
    [failed] = first_version.messages(ImageFailed)
    image_id, album_id = encoded["data"]["image_id"], encoded["data"]["album_id"]
    torn = failed["data"]["image_id"]
    stand_in(url, "decoder", ImageUploaded)
    stand_in(url, "thumbnailer", ImageEncoded, ThumbnailRequested)

    with subscribed(url) as public, subscribed(url, exchange=WORK_EXCHANGE) as work, stack.client() as client:
        stack.start("api")
        tell(stack, said(encoded), said(created), said(failed))
        assert client.job(f"{image_id}job", wait_seconds=30)["state"] == "ready"
        job = client.job(f"{torn}job", wait_seconds=30)
        eventually(lambda: len(of(image_id, public)) == 3 and len(of(torn, public)) == 2, what="all is told")

        assert (job["state"], job["code"]) == ("failed", "truncated-image")
        picture = client.post("/album/image/get", album_id=album_id, image_id=image_id)
        thumbnail = client.post("/album/thumbnail/get", thumbnail_id=album_id + image_id)
        shown = [hashlib.sha256(answer.content).hexdigest() for answer in (picture, thumbnail)]
        assert shown == [encoded["data"]["encoded"]["sha256"], created["data"]["thumbnail"]["sha256"]]
        asked = [answered(work, ImageUploaded, "api")]

    assert of(image_id, public) == ["image.uploaded.v1", "image.encoded.v1", "thumbnail.created.v1"]
    assert of(torn, public) == ["image.uploaded.v1", "image.failed.v1"]
    for envelope in [*asked, *public]:
        assert_readable_by_the_first_version(envelope)
    assert stack.database["dead_letters"].count_documents({}) == 0


def test_todays_audit_records_what_another_versions_api_tells(start_stack: StartStack, said: Said) -> None:
    stack = start_stack(apis=0, decoders=0, thumbnailers=0, audits=1)
    told = [said(body) for body in first_version.told()]

    tell(stack, *told, exchange=EVENTS_EXCHANGE)

    eventually(lambda: len(entries(stack)) == len(told), what="all is recorded")
    assert {entry["event_id"]: entry["type"] for entry in entries(stack)} == {body["id"]: body["type"] for body in told}


def test_todays_notifier_passes_on_what_another_versions_api_tells(notified: Stack, hook: NewHook, said: Said) -> None:
    one = hook()
    told = [said(body) for body in first_version.told()]

    tell(notified, *told, exchange=EVENTS_EXCHANGE)

    one.settled(*["delivered"] * len(told))
    assert {call.event.id for call in one.receiver.calls} == {body["id"] for body in told}
