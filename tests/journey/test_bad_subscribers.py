"""Whoever listens badly harms nobody but himself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.audit import assert_complete, types, wait_for_all
from tests.support.events import of, sequences, subscribed
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.subscribers import bad_subscribers, listening, silent_queue
from tests.support.waiting import eventually

WAY = ["image.uploaded.v1", "image.encoded.v1", "thumbnail.created.v1"]


@pytest.fixture(scope="module")
def beset(_stacks: StartStack) -> Iterator[Stack]:
    """A stack with an audit, and with every bad subscriber there is."""
    stack = _stacks(audits=1, ALBUM_AUDIT_CATCH_UP_SECONDS="1")
    url = stack.environment["ALBUM_AMQP_URL"]
    with bad_subscribers(url, unread=2000), listening(url):
        yield stack
        stack.stop()


def test_uploads_are_accepted_and_become_ready(beset: Stack) -> None:
    with beset.client() as client:
        album_id = client.create()
        for _ in range(5):
            assert client.ready(album_id, picture("PNG", 8, 8))["state"] == "ready"


def test_others_are_told_everything_in_order(beset: Stack) -> None:
    with subscribed(beset.environment["ALBUM_AMQP_URL"]) as seen, beset.client() as client:
        image_id = client.ready(client.create(), picture("PNG", 8, 8))["image_id"]
        eventually(lambda: WAY[-1] in of(image_id, seen), what="all is told")

    assert of(image_id, seen) == WAY
    assert sequences(image_id, seen) == [1, 2, 3]


def test_the_subscribers_that_come_with_album_miss_nothing(beset: Stack) -> None:
    with beset.client() as client:
        image_id = client.ready(client.create(), picture("PNG", 8, 8))["image_id"]
    eventually(lambda: types(beset, subject=image_id) == WAY, what="all is recorded")

    wait_for_all(beset)
    assert_complete(beset)


def test_what_was_refused_is_counted(beset: Stack) -> None:
    with beset.client() as client:
        client.create()

        def refused() -> float:
            lines = client.http.get("/metrics").text.splitlines()
            return next(float(line.split()[1]) for line in lines if line.startswith("album_events_refused_total "))

        before = eventually(refused, what="an event is refused")
        client.create()
        eventually(lambda: refused() > before, what="another event is refused")


def test_a_queue_that_never_answers_holds_up_no_picture_and_no_subscriber_of_ours(beset: Stack) -> None:
    with silent_queue(beset.environment["ALBUM_AMQP_URL"]), beset.client() as client:
        album_id = client.create()
        jobs = [client.ready(album_id, picture("PNG", 8, 8)) for _ in range(3)]
        for job in jobs:
            eventually(lambda image_id=job["image_id"]: types(beset, subject=image_id) == WAY, what="it is recorded")  # type: ignore[misc]

    wait_for_all(beset)
    assert_complete(beset)
