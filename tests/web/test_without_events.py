"""A page that no events reach looks for news every few seconds, and says so."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.web.screen import TWO_FRAMES, Screen

NOTE_SAID = """() => {
  window.said = [];
  const notices = document.getElementById('notices');
  new MutationObserver(() => said.push(notices.innerText)).observe(notices, { childList: true, subtree: true });
}"""


def test_without_events_the_page_asks_and_says_so(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("No events")
    screen.page.clock.install()
    screen.page.route("**/events*", lambda route: route.abort())
    screen.open(f"#/album/{album_id}")
    notice = screen.page.locator(".notice:visible", has_text="Live updates are away")
    screen.fly_until(notice.count, "the page says so")
    album.ready(album_id, picture("PNG", 64, 48), "a.png")
    screen.fly_until(screen.page.locator(".tile[data-shows=server]").count, "the picture is there")


def test_a_server_that_answers_without_events_is_not_told_as_away(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Answers all the same")
    screen.page.clock.install()
    screen.page.route("**/events*", lambda route: route.abort())
    screen.open(f"#/album/{album_id}")
    notice = screen.page.locator(".notice:visible")
    screen.fly_until(lambda: "Live updates are away" in "".join(notice.all_text_contents()), "the page says so")

    screen.page.evaluate(NOTE_SAID)

    # Each answer is there long before it would be late, and what waited for it to be late has ended with it.
    for _ in range(3):
        with screen.page.expect_response("**/album/get"):
            screen.page.clock.run_for(3_000)
        screen.page.evaluate(TWO_FRAMES)

    assert screen.page.evaluate("said") == []


def test_deletions_are_noticed_without_events(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("No events of deletions")
    for name in ("old.png", "new.png"):
        album.ready(album_id, picture("PNG", 64, 48), name)
    screen.page.clock.install()
    screen.page.route("**/events*", lambda route: route.abort())
    screen.open(f"#/album/{album_id}")
    screen.fly_until(screen.tile("old.png").count, "the album is read")

    old = album.post("/album/images", album_id=album_id).json()["images"][0]
    album.post("/album/image/delete", album_id=album_id, image_id=old["id"])
    screen.fly_until(lambda: not screen.tile("old.png").count(), "the picture goes")
    expect(screen.page.locator(".page-detail")).to_have_text("1 picture")

    album.post("/album/delete", album_id=album_id)
    notice = screen.page.locator(".notice:visible", has_text="This album does not exist any more.")
    screen.fly_until(notice.count, "the page says that the album is gone")
