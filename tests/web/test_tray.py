"""The list of uploads: what is taken off it, and how often it asks for what it shows."""

from __future__ import annotations

import re
import time

from playwright.sync_api import Route, expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.web.screen import Screen

# The first six files are looked at in four frames, the others when the test says so.
HOLD_LOOKS = """() => {
  const read = Blob.prototype.arrayBuffer;
  let looks = 0;
  const frames = async (number) => { for (; number; number -= 1) await new Promise(requestAnimationFrame); };
  const released = new Promise((resolve) => (window.release = resolve));
  Blob.prototype.arrayBuffer = async function () {
    looks += 1;
    await (looks > 6 ? released : frames(4));
    return read.call(this);
  };
}"""


def test_an_upload_is_cancelled_before_all_that_were_chosen_with_it_have_been_looked_at(
    screen: Screen, album: AlbumClient
) -> None:
    album_id = screen.open().create_album("Second thoughts")
    screen.page.evaluate(HOLD_LOOKS)
    screen.choose({f"{n:02}.png": picture("PNG", 64, 48) for n in range(8)})
    screen.expect_stage("07.png", "waiting")

    screen.tile("07.png").hover()
    screen.tile("07.png").get_by_role("button", name="Cancel the upload of 07.png").click()

    expect(screen.tile("07.png")).to_have_count(0)
    expect(screen.row("07.png")).to_have_count(0)
    screen.page.evaluate("release()")
    screen.expect_stage("06.png", "ready")
    screen.expect_stage("00.png", "ready")
    assert album.post("/album/get", album_id=album_id).json()["album_snapshot"]["content_count"] == 7


def test_failures_that_were_cleared_from_the_list_stay_so_when_the_page_is_looked_at_again(
    screen: Screen, album: AlbumClient
) -> None:
    album_id = album.create("Cleared")
    album.settled(album.upload(album_id, picture("PNG", 320, 240)[:900], "a.png"))
    screen.open_album(album_id)
    screen.page.get_by_role("button", name="Clear the list").click()
    expect(screen.page.locator(".tray")).to_be_hidden()
    screen.turn_away()
    album.ready(album_id, picture("PNG", 64, 48), "b.png")

    screen.turn_away(False)
    screen.expect_shows("b.png", "server")
    screen.choose({"empty.png": b""})

    expect(screen.page.locator(".tray-title")).to_have_text("1 not accepted")


def test_a_thumbnail_that_does_not_come_is_not_asked_for_at_every_change_of_the_list(screen: Screen) -> None:
    begun = time.monotonic()
    screen.open().create_album("Without thumbnail")
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url) if "/thumbnail/" in request.url else None)
    screen.page.route("**/album/thumbnail/*", lambda route: route.abort())
    screen.choose({"a.png": picture("PNG", 64, 48)})
    screen.expect_stage("a.png", "ready")
    screen.until(lambda: asked, "asked")
    first = asked[0]
    screen.choose({f"{n}.png": picture("PNG", 64, 48) for n in range(12)})
    for n in range(12):
        screen.expect_stage(f"{n}.png", "ready")
    # The tile asks five times, the list once in three seconds.
    assert asked.count(first) <= 6 + (time.monotonic() - begun) / 3


def test_a_thumbnail_that_did_not_come_comes_with_a_later_change_of_the_list(screen: Screen) -> None:
    screen.page.clock.install()
    screen.open().create_album("Late thumbnail")
    failed: list[str] = []
    screen.page.on(
        "requestfailed", lambda request: failed.append(request.url) if "/thumbnail/" in request.url else None
    )
    screen.page.route("**/album/thumbnail/*", lambda route: route.abort())
    screen.choose({"a.png": picture("PNG", 64, 48)})
    screen.until(lambda: len(failed) >= 2, "tile and list have asked for it")
    screen.page.unroute("**/album/thumbnail/*")
    screen.page.clock.run_for(4_000)

    screen.choose({"b.png": picture("PNG", 64, 48)})

    expect(screen.row("a.png").locator("[data-shows=server]")).to_be_visible()


def test_the_list_folds_and_says_so(screen: Screen) -> None:
    screen.open().create_album("Folded")
    screen.choose({"notes.txt": b"text text text text"})
    expect(screen.row("notes.txt")).to_be_visible()

    fold = screen.page.get_by_role("button", name="Fold the list", expanded=True)
    fold.click()
    expect(screen.row("notes.txt")).to_be_hidden()
    expect(screen.page.get_by_role("heading", name="1 not accepted")).to_be_visible()

    screen.page.get_by_role("button", name="Show the list", expanded=False).click()
    expect(screen.row("notes.txt")).to_be_visible()
    expect(fold).to_be_visible()


def test_the_progress_of_all_begins_anew_with_what_is_chosen_after_the_rest_was_done(screen: Screen) -> None:
    screen.open().create_album("Twice")
    screen.choose({f"{n}.png": picture("PNG", 64, 48) for n in range(8)})
    expect(screen.page.get_by_role("heading", name="8 pictures ready")).to_be_visible()
    bar = screen.page.locator(".tray > progress")
    uploads: list[Route] = []
    screen.page.route("**/album/image/upload", lambda route: uploads.append(route))

    screen.choose({"new-1.png": picture("PNG", 64, 48), "new-2.png": picture("PNG", 64, 48)})
    expect(screen.page.get_by_role("heading", name="Uploading 2 pictures")).to_be_visible()
    screen.until(lambda: len(uploads) == 2, "both are under way")
    assert bar.evaluate("(one) => one.value") <= 0.6

    uploads[0].continue_()
    expect(screen.page.get_by_role("heading", name="Uploading 1 picture")).to_be_visible()
    screen.until(lambda: 0.5 <= bar.evaluate("(one) => one.value") <= 0.8, "what was under way with it counts")
    uploads[1].continue_()
    expect(screen.page.get_by_role("heading", name="10 pictures ready")).to_be_visible()


def test_what_is_under_way_stays_in_a_list_that_is_cleared(screen: Screen) -> None:
    screen.open().create_album("Half done")
    screen.hold_uploads()
    screen.choose({"a.png": picture("PNG", 64, 48), "notes.txt": b"text text text text"})
    expect(screen.row("notes.txt")).to_be_visible()

    screen.page.get_by_role("button", name="Clear the list").click()

    expect(screen.row("notes.txt")).to_have_count(0)
    expect(screen.row("a.png")).to_be_visible()


def test_how_much_of_a_file_has_been_sent_is_told_meanwhile(screen: Screen) -> None:
    screen.open().create_album("Slow line")
    line = screen.page.context.new_cdp_session(screen.page)
    line.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
    line.send("Network.emulateNetworkConditions", slow)

    screen.choose({"a.jpg": picture("JPEG", 64, 48) + bytes(2_000_000)})

    expect(screen.row("a.jpg")).to_contain_text(re.compile(r"Uploading, [1-9]\d?%"))
    expect(screen.tile("a.jpg").locator(".tile-stage")).to_have_text(re.compile(r"Uploading, [1-9]\d?%"))
