"""The viewer: one picture at a time, by keys, swipes and buttons."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.waiting import eventually
from tests.web.conftest import OpenScreen
from tests.web.screen import Screen

NAMES = ("c.png", "b.png", "a.png")
"""Newest first, as the album shows them."""

# What Safari lets a page do in thirty seconds.
FEW_CHANGES_OF_ADDRESS = """
  const replace = history.replaceState;
  let left = 100;
  history.replaceState = function (...place) {
    if ((left -= 1) < 0) throw new DOMException('more than 100 times per 30 seconds', 'SecurityError');
    replace.apply(this, place);
  };
"""


@pytest.fixture
def album_id(album: AlbumClient) -> str:
    album_id = album.create("Viewed")
    for name in reversed(NAMES):
        album.ready(album_id, picture("PNG", 640, 480), name)
    return album_id


def test_keys_turn_the_pages_and_escape_leads_back_to_the_picture(screen: Screen, album_id: str) -> None:
    screen.open_album(album_id)
    name = screen.page.locator(".viewer-name")
    screen.tile("c.png").click()
    expect(name).to_have_text("c.png")
    expect(screen.page.locator(".viewer-stage")).to_be_focused()
    for key, shown in (("ArrowRight", "b.png"), ("End", "a.png"), ("ArrowRight", "a.png"), ("Home", "c.png")):
        screen.page.keyboard.press(key)
        expect(name).to_have_text(shown)
    screen.page.keyboard.press("ArrowRight")
    screen.page.keyboard.press("Escape")
    expect(screen.page.locator(".viewer")).to_be_hidden()
    expect(screen.tile("b.png").locator(".tile-link")).to_be_focused()
    assert screen.page.url.endswith(album_id)


def test_a_held_key_turns_more_pages_than_safari_lets_the_address_change(screen: Screen, album_id: str) -> None:
    screen.page.add_init_script(FEW_CHANGES_OF_ADDRESS)
    screen.open_album(album_id)
    screen.tile("c.png").click()
    name = screen.page.locator(".viewer-name")
    for _ in range(60):
        for key, shown in (("End", "a.png"), ("Home", "c.png")):
            screen.page.keyboard.press(key)
            assert name.text_content() == shown
    screen.page.keyboard.press("ArrowRight")
    expect(name).to_have_text("b.png")

    screen.page.keyboard.press("Escape")
    expect(screen.page.locator(".viewer")).to_be_hidden()
    screen.page.go_forward()

    expect(screen.page.locator(".viewer")).to_be_visible()
    expect(name).to_have_text("b.png")


def test_the_browser_s_back_button_leads_from_the_viewer_to_the_album(screen: Screen, album_id: str) -> None:
    screen.open_album(album_id)
    screen.tile("c.png").click()
    screen.page.keyboard.press("ArrowRight")
    expect(screen.page.locator(".viewer-name")).to_have_text("b.png")
    screen.page.go_back()
    expect(screen.page.locator(".viewer")).to_be_hidden()
    expect(screen.page.get_by_role("heading", name="Viewed", level=1)).to_be_visible()


def test_after_a_reload_the_viewer_closes_to_the_album_s_own_place_in_the_history(
    screen: Screen, album_id: str
) -> None:
    screen.open().page.goto(f"{screen.url}/#/album/{album_id}")
    screen.tile("c.png").click()
    screen.page.keyboard.press("ArrowRight")
    expect(screen.page.locator(".viewer-name")).to_have_text("b.png")
    screen.page.reload()
    expect(screen.page.locator(".viewer-name")).to_have_text("b.png")

    screen.page.keyboard.press("Escape")
    expect(screen.page.locator(".viewer")).to_be_hidden()
    expect(screen.page.get_by_role("heading", name="Viewed", level=1)).to_be_visible()
    screen.page.go_back()

    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()


def test_a_picture_opens_by_its_own_link(screen: Screen, album: AlbumClient, album_id: str) -> None:
    image = album.post("/album/images", album_id=album_id).json()["images"][1]
    screen.open(f"#/album/{album_id}/image/{image['id']}")
    expect(screen.page.locator(".viewer-name")).to_have_text("b.png")
    expect(screen.page.locator(".slide[data-step='0']")).to_have_attribute("data-shows", "server")
    screen.page.get_by_role("button", name="Back to the album").click()
    expect(screen.page.locator(".viewer")).to_be_hidden()


def test_a_link_to_a_picture_that_is_gone_leads_to_its_album(screen: Screen, album_id: str) -> None:
    screen.open(f"#/album/{album_id}/image/00000000-0000-4000-8000-000000000000")
    screen.expect_notice("This picture does not exist any more.")
    expect(screen.page.locator(".tile")).to_have_count(3)


def test_neighbours_are_loaded_before_they_are_asked_for(screen: Screen, album_id: str) -> None:
    screen.open_album(album_id)
    screen.tile("b.png").click()
    for step in ("-1", "1"):
        expect(screen.page.locator(f".slide[data-step='{step}'] img").last).to_have_js_property("complete", True)


def test_a_picture_that_a_passing_error_kept_away_comes_while_it_is_looked_at(screen: Screen, album_id: str) -> None:
    screen.page.route("**/album/*/image/*", lambda route: route.abort())
    screen.open_album(album_id)
    with screen.page.expect_event("requestfailed", lambda request: f"{album_id}/image/" in request.url):
        screen.tile("b.png").click()
    screen.page.unroute("**/album/*/image/*")
    expect(screen.page.locator(f".slide[data-step='0'] img[src*='{album_id}/image/']")).to_be_visible()


def test_the_download_is_the_original_under_its_name(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Originals")
    original = picture("HEIF", 320, 240)
    album.ready(album_id, original, "phone.heic")
    screen.open_album(album_id)
    screen.tile("phone.heic").click()
    with screen.page.expect_download() as download:
        screen.page.get_by_role("link", name="Download the original").click()
    assert download.value.suggested_filename == "phone.heic"
    assert download.value.path().read_bytes() == original


def test_a_picture_is_deleted_after_a_yes_and_the_next_one_is_shown(
    screen: Screen, album: AlbumClient, album_id: str
) -> None:
    screen.open_album(album_id)
    screen.tile("c.png").click()
    screen.page.keyboard.press("Delete")
    screen.confirm("Cancel")
    expect(screen.page.locator(".viewer-name")).to_have_text("c.png")
    screen.page.keyboard.press("Delete")
    screen.confirm("Delete")
    expect(screen.page.locator(".viewer-name")).to_have_text("b.png")
    names = [image["name"] for image in album.post("/album/images", album_id=album_id).json()["images"]]
    assert names == ["a.png", "b.png"]


def test_deleting_the_last_picture_leads_back_to_an_empty_album(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Last one")
    album.ready(album_id, picture("PNG", 64, 48), "only.png")
    screen.open_album(album_id)
    screen.tile("only.png").click()
    screen.page.get_by_role("button", name="Delete", exact=True).click()
    screen.confirm("Delete")
    expect(screen.page.locator(".viewer")).to_be_hidden()
    expect(screen.page.get_by_role("heading", name="No pictures yet")).to_be_visible()


def test_an_impatient_escape_leads_no_further_than_to_the_album(screen: Screen, album_id: str) -> None:
    screen.open()
    screen.page.locator(f'[href="#/album/{album_id}"]').click()
    screen.tile("c.png").click()
    expect(screen.page.locator(".viewer")).to_be_visible()

    screen.page.evaluate("""for (let n = 0; n < 3; n += 1) {
      document.querySelector('.viewer').dispatchEvent(new Event('cancel', { cancelable: true }));
    }""")

    expect(screen.page.locator(".viewer")).to_be_hidden()
    expect(screen.tile("c.png").locator("a")).to_be_focused()


def test_the_picture_that_was_looked_at_last_is_on_screen_afterwards(
    open_screen: OpenScreen, album: AlbumClient
) -> None:
    album_id = album.create("From end to end")
    for n in range(8):
        album.ready(album_id, picture("PNG", 64, 48), f"{n}.png")
    screen = open_screen(viewport={"width": 400, "height": 300}).open_album(album_id)
    screen.tile("7.png").locator("a").press("End")
    for key, name in (("Home", "7.png"), ("End", "0.png")):
        screen.page.keyboard.press("Enter")
        screen.page.keyboard.press(key)
        expect(screen.page.locator(".viewer-name")).to_have_text(name)
        screen.page.keyboard.press("Escape")

        expect(screen.tile(name).locator("a")).to_be_focused()
        # Until the browser has scrolled to where it was.
        screen.page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
        expect(screen.tile(name)).to_be_in_viewport(ratio=1, timeout=2000)


@pytest.mark.parametrize(("reach", "seconds"), [(60, 0.06), (240, 2)], ids=["short and fast", "far and slow"])
def test_a_swipe_that_is_fast_or_far_turns_the_page(
    open_screen: OpenScreen, album_id: str, reach: int, seconds: float
) -> None:
    screen = open_screen(viewport={"width": 390, "height": 800}, has_touch=True)
    screen.open_album(album_id)
    screen.tile("c.png").tap()
    expect(screen.page.locator(".viewer-name")).to_have_text("c.png")
    session = screen.page.context.new_cdp_session(screen.page)
    begun = time.time()
    for n, kind in enumerate(("touchStart", "touchMove", "touchMove", "touchMove", "touchEnd")):
        points = [] if kind == "touchEnd" else [{"x": 300 - reach * n // 3, "y": 400}]
        event = {"type": kind, "touchPoints": points, "timestamp": begun + seconds * n / 4}
        session.send("Input.dispatchTouchEvent", event)
    expect(screen.page.locator(".viewer-name")).to_have_text("b.png")


@pytest.mark.parametrize("end", ["touchEnd", "touchCancel"])
def test_a_swipe_that_is_short_or_that_the_browser_takes_over_turns_no_page(
    open_screen: OpenScreen, album_id: str, end: str
) -> None:
    screen = open_screen(viewport={"width": 390, "height": 800}, has_touch=True)
    screen.open_album(album_id)
    screen.tile("c.png").tap()
    name, strip = screen.page.locator(".viewer-name"), screen.page.locator(".viewer-strip")
    expect(name).to_have_text("c.png")
    session = screen.page.context.new_cdp_session(screen.page)
    begun, reach = time.time(), 40 if end == "touchEnd" else 240

    for n, kind in enumerate(("touchStart", "touchMove", "touchMove", "touchMove", end)):
        points = [] if kind == end else [{"x": 300 - reach * n // 3, "y": 400}]
        event = {"type": kind, "touchPoints": points, "timestamp": begun + n / 2}
        session.send("Input.dispatchTouchEvent", event)
        if kind == "touchMove":
            expect(strip).to_have_class("viewer-strip is-held")

    expect(strip).to_have_class("viewer-strip")
    expect(name).to_have_text("c.png")


def test_a_click_beside_the_picture_leads_back_and_one_on_it_does_not(screen: Screen, album_id: str) -> None:
    screen.open_album(album_id)
    screen.tile("c.png").click()
    box = screen.page.locator(".slide[data-step='0'] .slide-box").bounding_box()
    assert box is not None

    screen.page.mouse.click(box["x"] + 10, box["y"] + 10)
    expect(screen.page.locator(".viewer")).to_be_visible()
    screen.page.mouse.click(box["x"] - 10, box["y"] + 10)

    expect(screen.page.locator(".viewer")).to_be_hidden()


def test_keys_that_are_for_the_browser_do_nothing_in_the_viewer(screen: Screen, album_id: str) -> None:
    screen.open_album(album_id)
    screen.tile("c.png").click()
    name = screen.page.locator(".viewer-name")
    expect(name).to_have_text("c.png")

    for modifier in ("Control", "Meta", "Alt"):
        screen.page.keyboard.press(f"{modifier}+ArrowRight")
        assert name.text_content() == "c.png", modifier


def test_who_cannot_swipe_turns_the_page_by_touching_a_button(open_screen: OpenScreen, album_id: str) -> None:
    screen = open_screen(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    screen.open_album(album_id)
    screen.tile("c.png").tap()
    screen.page.get_by_role("button", name="Next picture").tap()
    expect(screen.page.locator(".viewer-name")).to_have_text("b.png")
    screen.page.get_by_role("button", name="Previous picture").tap()
    expect(screen.page.locator(".viewer-name")).to_have_text("c.png")


def test_a_finger_moves_about_in_a_magnified_picture(open_screen: OpenScreen, album_id: str) -> None:
    screen = open_screen(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    screen.open_album(album_id)
    screen.tile("c.png").tap()
    expect(screen.page.locator(".viewer-name")).to_have_text("c.png")
    session = screen.page.context.new_cdp_session(screen.page)
    session.send("Input.synthesizePinchGesture", {"x": 195, "y": 400, "scaleFactor": 2.5})
    screen.until(lambda: screen.page.evaluate("visualViewport.scale > 2"), "it is magnified")
    left = screen.page.evaluate("visualViewport.offsetLeft")

    for kind, x in (("touchStart", 130), ("touchMove", 100), ("touchMove", 70), ("touchMove", 40), ("touchEnd", None)):
        points = [] if x is None else [{"x": x, "y": 150}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    screen.until(lambda: screen.page.evaluate("visualViewport.offsetLeft") > left, "another part is seen")
    expect(screen.page.locator(".viewer-name")).to_have_text("c.png")


def test_a_failed_picture_says_why_in_the_viewer(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Damaged")
    album.settled(album.upload(album_id, picture("PNG", 320, 240)[:900], "broken.png"))
    screen.open_album(album_id)
    screen.tile("broken.png").locator(".tile-link").click()
    expect(screen.page.locator(".slide[data-step='0'] .slide-detail")).to_contain_text("The picture is")
    again = screen.page.get_by_role("button", name="Try again", exact=True)
    expect(again).to_be_visible()

    album.ready(album_id, picture("PNG", 64, 48), "sound.png")
    screen.page.get_by_role("button", name="Previous picture").click()
    expect(screen.page.locator(".viewer-name")).to_have_text("sound.png")
    expect(again).to_be_hidden()


def test_why_a_picture_failed_is_not_cut_on_a_phone(open_screen: OpenScreen) -> None:
    screen = open_screen(viewport={"width": 390, "height": 844}).open()
    screen.create_album("Damaged")
    answer = {"status": "fail", "code": "truncated-image", "message": "cut"}
    screen.page.route("**/album/image/upload", lambda route: route.fulfill(status=422, json=answer))
    screen.choose({"a.png": picture("PNG", 640, 480)})
    screen.expect_stage("a.png", "stopped")

    screen.tile("a.png").locator(".tile-link").click()

    detail = screen.page.locator(".viewer-detail")
    expect(detail).to_contain_text("the end of the file is missing.")
    assert detail.evaluate("(one) => one.scrollWidth <= one.clientWidth")


def test_who_goes_forward_to_a_picture_that_is_gone_is_told(screen: Screen, album: AlbumClient, album_id: str) -> None:
    screen.open_album(album_id)
    screen.tile("c.png").click()
    expect(screen.page.locator(".viewer-name")).to_have_text("c.png")
    image_id = screen.page.url.rpartition("/")[2]
    screen.page.keyboard.press("Escape")
    album.post("/album/image/delete", album_id=album_id, image_id=image_id)
    expect(screen.page.locator(".tile")).to_have_count(2)

    screen.page.go_forward()

    screen.expect_notice("This picture does not exist any more.")
    expect(screen.page).to_have_url(f"{screen.url}/#/album/{album_id}")


def test_a_page_under_a_viewer_that_closed_by_itself_is_as_before(screen: Screen, album_id: str) -> None:
    screen.open_album(album_id)
    session = screen.page.context.new_cdp_session(screen.page)

    def wait_until_open(is_open: bool) -> None:
        # Playwright's own looks count as clicks. Without one, a browser closes a dialog at the second Escape, whatever
        # the page makes of it.
        script = {"expression": "document.querySelector('.viewer').open"}
        eventually(lambda: session.send("Runtime.evaluate", script)["result"]["value"] is is_open)

    screen.tile("c.png").click()
    for _ in range(2):
        wait_until_open(True)
        screen.page.keyboard.press("Escape")
        wait_until_open(False)
        screen.page.go_forward()
    wait_until_open(True)
    screen.page.keyboard.press("Escape")
    wait_until_open(False)

    expect(screen.page.locator("html")).to_have_css("overflow-y", "scroll")
    expect(screen.page.locator(".slide")).to_have_count(0)
    expect(screen.tile("c.png").locator(".tile-link")).to_be_focused()


def test_keys_turn_the_pages_after_the_button_that_had_the_focus_is_gone(screen: Screen, album_id: str) -> None:
    screen.open_album(album_id)
    screen.tile("b.png").click()
    screen.page.get_by_role("button", name="Next picture").click()
    expect(screen.page.locator(".viewer-name")).to_have_text("a.png")
    expect(screen.page.get_by_role("button", name="Next picture")).to_be_hidden()

    screen.page.keyboard.press("ArrowLeft")

    expect(screen.page.locator(".viewer-name")).to_have_text("b.png")


def test_a_long_name_leaves_picture_and_buttons_on_a_narrow_screen(open_screen: OpenScreen, album: AlbumClient) -> None:
    album_id = album.create("Narrow")
    album.ready(album_id, picture("PNG", 640, 480), f"{'long ' * 40}.png")
    screen = open_screen(viewport={"width": 360, "height": 740}).open_album(album_id)
    screen.tile("long").click()

    expect(screen.page.locator(".slide-box")).to_be_in_viewport(ratio=1)
    expect(screen.page.get_by_label("Delete", exact=True)).to_be_in_viewport(ratio=1)
