"""News of one picture that come twice, late, or in another order than they happened in."""

from __future__ import annotations

import uuid
from typing import Any

from playwright.sync_api import APIResponse, Route, expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.stack import Stack
from tests.web.conftest import OpenScreen
from tests.web.screen import TWO_FRAMES, Screen

TAKE = """async ([albumId, events]) => {
  const { AlbumStore } = await import('/assets/any/scripts/album/store.js');
  const store = new AlbumStore(albumId);
  await store.load();
  return events.map((event) => {
    store.take(event);
    return store.items.map(({ stage, code }) => [stage, code]);
  });
}"""

ACCEPT_LATE = """async ([albumId, answer, event]) => {
  const { AlbumStore } = await import('/assets/any/scripts/album/store.js');
  const store = new AlbumStore(albumId);
  const [item] = store.addFiles([{ file: new File(['a'], 'a.png') }]);
  store.take(event);
  store.accepted(item, answer);
  return [store.items.length, item.isGone];
}"""


def event(kind: str, image_id: str, sequence: int, **data: object) -> dict[str, Any]:
    return {"type": f"io.album.{kind}.v1", "sequence": sequence, "data": {"image_id": image_id, **data}}


def test_an_event_that_comes_again_changes_nothing(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Told twice")
    image_id = album.ready(album_id, picture("PNG", 64, 48), "a.png")["image_id"]
    failed = event("image.failed", image_id, 4, code="decode-timeout", message="it took too long")
    again = event("image.uploaded", image_id, 5)

    stages = screen.open().page.evaluate(TAKE, [album_id, [failed, again, failed]])

    assert stages == [[["failed", "decode-timeout"]], [["queued", None]], [["queued", None]]]


def test_an_event_that_comes_after_a_listing_told_more_undoes_nothing(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Told late")
    image_id = album.ready(album_id, picture("PNG", 64, 48), "a.png")["image_id"]
    encoded = event("image.encoded", image_id, 2, width=64, height=48, placeholder=None)

    stages = screen.open().page.evaluate(TAKE, [album_id, [event("image.uploaded", image_id, 1), encoded]])

    assert stages == [[["ready", None]], [["ready", None]]]


def test_a_picture_that_was_deleted_before_its_upload_was_answered_does_not_stay(
    screen: Screen, album: AlbumClient
) -> None:
    album_id, image_id = album.create("Gone at once"), str(uuid.uuid4())
    answer = {"image_id": image_id, "job_id": f"{image_id}job", "thumbnail_id": album_id + image_id}
    deleted = event("image.deleted", image_id, 2)

    assert screen.open().page.evaluate(ACCEPT_LATE, [album_id, answer, deleted]) == [0, True]


def test_a_picture_that_is_listed_before_its_upload_is_answered_stands_there_once(screen: Screen) -> None:
    uploads: list[tuple[Route, APIResponse]] = []
    listings: list[tuple[Route, APIResponse]] = []
    screen.open().create_album("Overtaken")
    screen.page.route("**/album/image/upload", lambda route: uploads.append((route, route.fetch())))
    screen.page.route("**/album/images", lambda route: listings.append((route, route.fetch())))
    screen.choose({"a.png": picture("PNG", 64, 48)})
    screen.until(lambda: any("a.png" in listing.text() for _, listing in listings), "it is listed")

    screen.page.route("**/album/images", lambda route: route.continue_())
    for route, listing in listings:
        route.fulfill(response=listing)
    screen.page.evaluate(TWO_FRAMES)

    expect(screen.tile("a.png")).to_have_count(1)
    [(route, answer)] = uploads
    route.fulfill(response=answer)
    screen.expect_shows("a.png", "server")


def test_a_listing_that_was_read_before_a_deletion_does_not_undo_it(open_screen: OpenScreen, idle_stack: Stack) -> None:
    held: list[tuple[Route, APIResponse]] = []
    with idle_stack.client() as client:
        album_id = client.create("Slow listing")
        doomed = client.upload(album_id, picture("PNG", 64, 48), "a.png").json()["image_id"]
        screen = open_screen(stack=idle_stack).open_album(album_id)
        screen.page.route("**/album/images", lambda route: held.append((route, route.fetch())))
        client.upload(album_id, picture("PNG", 64, 48), "b.png")
        screen.until(lambda: held, "the listing is read while both are there")

        client.post("/album/image/delete", album_id=album_id, image_id=doomed)
        expect(screen.tile("a.png")).to_have_count(0)
        for route, listing in held:
            route.fulfill(response=listing)

        expect(screen.tile("b.png")).to_have_count(1)
        expect(screen.tile("a.png")).to_have_count(0)
