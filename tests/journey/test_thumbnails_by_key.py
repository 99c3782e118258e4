"""A thumbnail that is there is sent by a way of its own, on which a key counts for as much as on any other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journey.expect import failed
from tests.support.keys import keys_are_demanded, make_key, with_key
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack


@pytest.fixture(scope="module")
def stack(_stacks: StartStack) -> Iterator[Stack]:
    """A stack that lets a key ask for little."""
    started = _stacks(ALBUM_REQUESTS_PER_SECOND="0.5")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def address(stack: Stack) -> str:
    """Where a thumbnail of Anna's is, made before there were keys."""
    with stack.client() as nobody:
        album_id = nobody.create()
        image_id = nobody.ready(album_id, picture("PNG", 64, 48))["image_id"]
    make_key(stack, "anna")
    keys_are_demanded(stack)
    return f"/album/thumbnail/{album_id}{image_id}"


def test_a_key_that_may_not_read_gets_no_thumbnail(stack: Stack, address: str) -> None:
    with with_key(stack, make_key(stack, "anna", "write")) as writer:
        failed(writer.http.get(address), 403, "forbidden")


def test_a_key_of_another_owner_gets_no_thumbnail(stack: Stack, address: str) -> None:
    with with_key(stack, make_key(stack, "bob")) as bob:
        failed(bob.http.get(address), 404, "thumbnail-not-found")


def test_thumbnails_count_among_the_requests_of_a_key(stack: Stack, address: str) -> None:
    with with_key(stack, make_key(stack, "anna", "read")) as anna:
        answers = [anna.http.get(address) for _ in range(8)]

    assert answers[0].status_code == 200
    failed(answers[-1], 429, "rate-limited")
