"""A process dies before or after one arrow of an image's journey, and what was promised comes true all the same."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from libs.shared.events import Envelope
from tests.support.dying import KillPoint, Mortal
from tests.support.events import of, sequences, subscribed
from tests.support.fsck import repair
from tests.support.pictures import picture
from tests.support.promises import broken_promises, orphans
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(400)

STORE = "libs.shared.gridfs:GridFsBlobStore"
PUBLISH = "libs.shared.rabbitmq:Publisher.publish"

API = {
    "intent": KillPoint("libs.catalog.uploads:begin", "before"),
    "chunk write": KillPoint(f"{STORE}._insert", "before"),
    "file record": KillPoint(f"{STORE}.write_record", "before"),
    "acceptance": KillPoint("libs.catalog.uploads:accept", "before"),
    "work publish": KillPoint(PUBLISH, "before", "album.work"),
    "public publish": KillPoint(PUBLISH, "before", "album.events"),
    "mark published": KillPoint("libs.catalog.outbox:mark_published", "before"),
    "encoded accepted": KillPoint("libs.catalog.progress:accept_encoded", "before"),
    "thumbnail accepted": KillPoint("libs.catalog.progress:accept_thumbnail", "before"),
    "leftovers deleted": KillPoint(f"{STORE}.delete", "before"),
    "ack": KillPoint("libs.shared.rabbitmq:Delivery.ack", "before"),
}
STAGE = {
    "chunk write": KillPoint(f"{STORE}._insert", "before"),
    "file record": KillPoint(f"{STORE}.write_record", "before"),
    "work publish": KillPoint(PUBLISH, "before", "album.work"),
    "ack": KillPoint("libs.shared.rabbitmq:Delivery.ack", "before"),
}
POINTS = [
    (service, KillPoint(point.target, when, point.where))
    for service, points in {"api": API, "decoder": STAGE, "thumbnailer": STAGE}.items()
    for point in points.values()
    for when in ("before", "after")
]
NAMES = [
    f"{service}-{when}-{name.replace(' ', '-')}"
    for service, points in {"api": API, "decoder": STAGE, "thumbnailer": STAGE}.items()
    for name in points
    for when in ("before", "after")
]


@pytest.fixture(scope="module")
def mortals(_stacks: StartStack) -> Iterator[dict[str, Mortal]]:
    """A stack whose every service can be told where to die."""
    stack = _stacks(
        apis=0,
        decoders=0,
        thumbnailers=0,
        ALBUM_CHECK_AFTER_SECONDS="5",
        ALBUM_UPLOAD_LEASE_SECONDS="2",
        ALBUM_RECONCILE_SECONDS="0.5",
    )
    mortals = {service: Mortal(stack, service) for service in ("api", "decoder", "thumbnailer")}
    for mortal in mortals.values():
        mortal.start()
    yield mortals
    stack.stop()


@pytest.fixture(scope="module")
def stack(mortals: dict[str, Mortal]) -> Stack:
    return mortals["api"].stack


@pytest.fixture(scope="module")
def seen(stack: Stack) -> Iterator[list[Envelope]]:
    with subscribed(stack.environment["ALBUM_AMQP_URL"]) as seen:
        yield seen


def uploaded(stack: Stack, album_id: str) -> bool:
    """Upload a picture that has a preview; whether the answer was a 202."""
    with stack.client() as client:
        try:
            return client.upload(album_id, picture("WEBP", 1300, 900, mode="RGBA")).status_code == 202
        except httpx.TransportError:
            return False


def hears_all(image_id: str, seen: list[Envelope]) -> None:
    """Subscribers hear every event of a ready image, in order."""
    eventually(lambda: len(of(image_id, seen)) == 3, what="subscribers hear it all")
    assert of(image_id, seen) == ["image.uploaded.v1", "image.encoded.v1", "thumbnail.created.v1"]
    assert sequences(image_id, seen) == [1, 2, 3]


@pytest.mark.parametrize(("service", "point"), POINTS, ids=NAMES)
def test_the_promise_holds_when(
    mortals: dict[str, Mortal], stack: Stack, seen: list[Envelope], service: str, point: KillPoint
) -> None:
    with stack.client() as client:
        album_id = client.create()
    doomed = mortals[service].condemn(point)

    has_answer = uploaded(stack, album_id)
    mortals[service].dies_in(doomed)

    images = stack.database["images"]
    eventually(lambda: images.count_documents({"state": {"$nin": ["ready", "deleted"]}}) == 0, what="all is ready")
    accepted = list(images.find({"album_id": album_id}))
    assert len(accepted) == 1 or not has_answer
    eventually(lambda: not broken_promises(stack.database), what="every event is published")
    for image in accepted:
        hears_all(image["_id"], seen)
    repair(stack)
    # What was published twice is worked on twice: the second result may be on its way still.
    eventually(lambda: not orphans(stack.database), what="nothing is left that no image names")
    assert stack.database["dead_letters"].count_documents({}) == 0
