"""The chosen file itself is thumbnail and picture while upload and conversion are under way."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.web.conftest import OpenScreen
from tests.web.screen import Screen

SLOW_DECODING = """
const decode = HTMLImageElement.prototype.decode;
const gate = new Promise((resolve) => { window.letDecode = resolve; });
HTMLImageElement.prototype.decode = async function () { await gate; return decode.call(this); };
"""
# Which addresses of chosen files have been made and not given back.
COUNT_ADDRESSES = """
  window.addresses = new Set();
  const { createObjectURL, revokeObjectURL } = URL;
  URL.createObjectURL = (file) => {
    const address = createObjectURL.call(URL, file);
    window.addresses.add(address);
    return address;
  };
  URL.revokeObjectURL = (address) => {
    window.addresses.delete(address);
    revokeObjectURL.call(URL, address);
  };
"""
SHOWABLE = {"a.jpg": "JPEG", "b.png": "PNG", "c.webp": "WEBP", "d.avif": "AVIF"}


@pytest.mark.parametrize("name", SHOWABLE)
def test_the_chosen_file_is_on_screen_before_its_upload_ends(screen: Screen, name: str) -> None:
    screen.open().create_album("Held back")
    screen.hold_uploads()

    screen.choose({name: picture(SHOWABLE[name], 640, 360)})

    screen.expect_shows(name, "local")
    screen.until(lambda: screen.held, "the upload has begun")
    screen.expect_stage(name, "uploading")
    assert screen.is_on_screen(screen.tile(name))
    screen.release_uploads()
    screen.expect_shows(name, "server")


@pytest.mark.parametrize("orientation", [None, 6])
def test_the_server_s_picture_takes_its_place_without_a_flicker_or_a_jump(
    screen: Screen, orientation: int | None
) -> None:
    screen.open().create_album("Swapped")
    screen.watch_tile("a.jpg")

    screen.choose({"a.jpg": picture("JPEG", 800, 600, orientation=orientation)})
    screen.expect_shows("a.jpg", "server")
    expect(screen.tile("a.jpg").locator("img")).to_have_count(1)

    watched = screen.watched()
    assert watched["frames"] > 2
    assert watched["empty"] == 0
    assert len(watched["boxes"]) == 1


def test_the_chosen_file_is_the_picture_in_the_viewer_too(screen: Screen) -> None:
    screen.open().create_album("Viewed early")
    screen.hold_uploads()
    screen.choose({"a.jpg": picture("JPEG", 1600, 900)})
    screen.expect_shows("a.jpg", "local")

    screen.tile("a.jpg").click()

    slide = screen.page.locator(".slide[data-step='0']")
    expect(slide).to_have_attribute("data-shows", "local")
    before = slide.locator(".slide-box").bounding_box()
    screen.release_uploads()
    expect(slide).to_have_attribute("data-shows", "server")
    assert slide.locator(".slide-box").bounding_box() == before
    assert "/image/new-" not in screen.page.url


def test_a_format_the_browser_cannot_show_has_a_tile_of_the_right_shape_until_it_can(screen: Screen) -> None:
    screen.open().create_album("From a phone")
    screen.hold_uploads()

    screen.choose({"e.heic": picture("HEIF", 512, 288)})

    tile = screen.tile("e.heic")
    expect(tile.locator(".tile-blank")).to_contain_text("HEIC")
    expect(tile.locator(".tile-blank")).to_contain_text("e.heic")
    before = tile.bounding_box()
    assert before is not None
    assert before["width"] / before["height"] == pytest.approx(512 / 288, rel=0.02)
    screen.release_uploads()
    screen.expect_shows("e.heic", "server")
    assert tile.bounding_box() == before


def test_without_any_worker_the_chosen_file_stays_in_view(open_screen: OpenScreen, idle_stack: Stack) -> None:
    screen = open_screen(stack=idle_stack).open()
    screen.create_album("Waiting")
    screen.choose({"a.jpg": picture("JPEG", 640, 480)})
    screen.expect_stage("a.jpg", "queued")
    screen.expect_shows("a.jpg", "local")


def test_what_happens_while_the_chosen_file_is_decoded_does_not_make_it_one_that_cannot_be_shown(
    screen: Screen,
) -> None:
    screen.page.add_init_script(SLOW_DECODING)
    screen.open().create_album("Slow to draw")
    screen.hold_uploads()
    screen.choose({"a.jpg": picture("JPEG", 1600, 900)})
    screen.expect_stage("a.jpg", "uploading")  # an update of the tile, and not the only one

    screen.page.evaluate("letDecode()")

    screen.expect_shows("a.jpg", "local")
    screen.tile("a.jpg").click()
    expect(screen.page.locator(".slide[data-step='0']")).to_have_attribute("data-shows", "local")


def test_the_page_refuses_only_what_the_server_is_set_to_refuse(
    open_screen: OpenScreen, start_stack: StartStack
) -> None:
    stack = start_stack(ALBUM_LIMIT_ANY_ORIENTATION="true", ALBUM_MAX_WIDTH="800", ALBUM_MAX_HEIGHT="600")
    screen = open_screen(stack=stack).open()
    screen.create_album("Other limits")
    expect(screen.page.get_by_text("800 x 600 pixels and 50 MB each")).to_be_visible()

    screen.choose({"portrait.png": picture("PNG", 600, 800), "large.png": picture("PNG", 801, 600)})

    screen.expect_shows("portrait.png", "server")
    expect(screen.row("large.png")).to_contain_text("801 x 600 pixels; at most 800 wide and 600 high")


def test_chosen_files_are_let_go_of_when_they_are_not_needed_any_more(screen: Screen) -> None:
    screen.page.add_init_script(COUNT_ADDRESSES)
    screen.page.clock.install()
    screen.open().create_album("Hundreds a day")
    screen.hold_uploads()
    screen.choose({"sent.png": picture("PNG", 64, 48), "cancelled.png": picture("PNG", 64, 48)})
    for name in ("sent.png", "cancelled.png"):
        screen.expect_shows(name, "local")
    screen.until(lambda: len(screen.held) == 2, "both are about to be sent")
    assert screen.page.evaluate("addresses.size") == 2

    screen.row("cancelled.png").get_by_role("button", name="Cancel cancelled.png").click()
    screen.until(lambda: any(route.request.failure for route in screen.held), "one of them is not sent")
    screen.held = [route for route in screen.held if not route.request.failure]
    screen.release_uploads()
    screen.expect_shows("sent.png", "server")
    screen.page.clock.run_for(20_000)

    screen.until(lambda: screen.page.evaluate("addresses.size") == 0, "no file is kept")


def test_a_chosen_file_that_the_browser_cannot_draw_is_told_by_its_name(screen: Screen) -> None:
    screen.open().create_album("Damaged")
    screen.hold_uploads()
    screen.choose({"damaged.jpg": b"\xff\xd8\xff" + bytes(100)})
    expect(screen.tile("damaged.jpg").locator(".tile-blank")).to_be_visible()
    expect(screen.tile("damaged.jpg").locator(".tile-blank")).to_contain_text("damaged.jpg")


def test_a_picture_is_shown_as_it_is_while_there_is_no_thumbnail(
    open_screen: OpenScreen, start_stack: StartStack
) -> None:
    stack = start_stack(thumbnailers=0)
    with stack.client() as client:
        album_id = client.create("No thumbnailer")
        client.upload(album_id, picture("PNG", 640, 480), "a.png")
        screen = open_screen(stack=stack).open_album(album_id)
        screen.expect_stage("a.png", "encoded")
        screen.expect_shows("a.png", "server")
