"""What becomes of pictures whose album was left before they were ready."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.web.conftest import OpenScreen
from tests.web.screen import Screen

COUNT_STREAMS = """
  const streams = [];
  EventSource = class extends EventSource {
    constructor(address) {
      super(address);
      streams.push(this);
    }
  };
  window.streams = () => streams.filter((one) => one.readyState !== EventSource.CLOSED).map((one) => one.url);
"""


def test_pictures_whose_album_was_left_are_told_as_ready_or_failed(
    open_screen: OpenScreen, start_stack: StartStack
) -> None:
    stack = start_stack(decoders=0)
    screen = open_screen(stack=stack).open()
    screen.create_album("Left while it is worked on")
    screen.choose({"good.png": picture("PNG", 64, 48), "bad.png": picture("PNG", 320, 240)[:900]})
    for name in ("good.png", "bad.png"):
        screen.expect_stage(name, "queued")
    screen.page.get_by_role("link", name="All albums").click()
    expect(screen.page.get_by_role("heading", name="Preparing 2 pictures")).to_be_visible()
    screen.create_album("Another one")

    stack.start("decoder")

    expect(screen.page.get_by_role("heading", name="1 picture ready, 1 failed")).to_be_visible()
    expect(screen.row("bad.png")).to_contain_text("The picture is")
    screen.page.get_by_role("link", name="All albums").click()
    expect(screen.page.get_by_role("heading", name="1 picture ready, 1 failed")).to_be_visible()


def test_pictures_that_are_sent_after_their_album_was_left_are_told_as_ready(
    open_screen: OpenScreen, start_stack: StartStack
) -> None:
    screen = open_screen(stack=start_stack()).open()
    screen.create_album("Left while they are sent")
    screen.hold_uploads()
    screen.choose({f"{n}.png": picture("PNG", 64, 48) for n in range(6)})
    screen.until(lambda: screen.held, "they are about to be sent")
    screen.page.get_by_role("link", name="All albums").click()

    screen.release_uploads()

    expect(screen.page.get_by_role("heading", name="6 pictures ready")).to_be_visible()


def test_pictures_of_a_left_album_that_is_deleted_are_not_being_prepared_for_ever(
    open_screen: OpenScreen, idle_stack: Stack
) -> None:
    screen = open_screen(stack=idle_stack).open()
    with idle_stack.client() as client:
        album_id = screen.create_album("Deleted afterwards")
        screen.choose({"a.png": picture("PNG", 64, 48)})
        screen.expect_stage("a.png", "queued")
        screen.page.get_by_role("link", name="All albums").click()
        expect(screen.page.get_by_role("heading", name="Preparing 1 picture")).to_be_visible()

        client.post("/album/delete", album_id=album_id)

        expect(screen.page.locator(".tray")).to_be_hidden()


def test_what_others_sent_to_an_album_that_is_left_is_told_of_no_more(
    open_screen: OpenScreen, idle_stack: Stack
) -> None:
    with idle_stack.client() as client:
        album_id = client.create("Of others too")
        client.upload(album_id, picture("PNG", 64, 48), "theirs.png")
        screen = open_screen(stack=idle_stack).open_album(album_id)
        expect(screen.row("theirs.png")).to_be_visible()

        screen.page.get_by_role("link", name="All albums").click()

        expect(screen.page.locator(".tray")).to_be_hidden()


def test_only_what_is_open_is_told_of_events(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Left for the list")
    screen.page.add_init_script(COUNT_STREAMS)
    screen.open_album(album_id)

    screen.page.get_by_role("link", name="All albums").click()
    expect_stream(screen, f"{screen.url}/events")
    screen.page.locator(f".album-link[href$='{album_id}']").click()
    expect_stream(screen, f"{screen.url}/events?album_id={album_id}")


def expect_stream(screen: Screen, url: str) -> None:
    """Wait until these events alone are listened to; it stays so when the page was hidden and is online again."""
    screen.until(lambda: screen.page.evaluate("streams()") == [url], "what is open now is followed, and nothing else")
    screen.turn_away()
    assert screen.page.evaluate("streams()") == []
    screen.turn_away(False)
    screen.page.evaluate("dispatchEvent(new Event('online'))")
    assert screen.page.evaluate("streams()") == [url]
