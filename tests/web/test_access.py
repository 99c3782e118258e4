"""For everybody: axe-core's rules on every view, keys alone, and the strict policy that the page lives under."""

from __future__ import annotations

import io
import uuid

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.web.conftest import OpenScreen
from tests.web.screen import Screen


def read_out(screen: Screen) -> str:
    """What the places that are read out hold, as the browser tells it to screen readers: nothing of what is inert."""
    session = screen.page.context.new_cdp_session(screen.page)
    nodes = {node["nodeId"]: node for node in session.send("Accessibility.getFullAXTree")["nodes"]}
    places = [node for node in nodes.values() if not node["ignored"] and node["role"]["value"] == "status"]
    texts = [nodes[child] for place in places for child in place["childIds"]]
    return " ".join(text["name"]["value"] for text in texts if not text["ignored"])


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_view(open_screen: OpenScreen, album: AlbumClient, colours: str) -> None:
    screen = open_screen(color_scheme=colours, reduced_motion="reduce")
    screen.open()
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
    assert screen.serious_problems() == [], "the albums"

    screen.page.get_by_role("button", name="New album").first.click()
    assert screen.serious_problems() == [], "the dialog"
    screen.confirm("Cancel")

    album_id = album.create("For everybody")
    screen.open_album(album_id)
    assert screen.serious_problems() == [], "an empty album"

    album.settled(album.upload(album_id, picture("PNG", 320, 240)[:900], "broken.png"))
    screen.hold_uploads()
    screen.choose({"ready.png": picture("PNG", 320, 240), "refused.txt": b"text text text text"})
    screen.expect_stage("ready.png", "uploading")
    assert screen.serious_problems() == [], "uploads under way"
    screen.release_uploads()
    screen.expect_shows("ready.png", "server")
    assert screen.serious_problems() == [], "the grid and the tray"

    screen.tile("ready.png").locator(".tile-link").click()
    expect(screen.page.locator(".viewer")).to_be_visible()
    assert screen.serious_problems() == [], "the viewer"

    screen.page.keyboard.press("Delete")
    assert screen.serious_problems() == [], "the question before a deletion"


def test_an_album_is_made_and_looked_through_by_keys_alone(screen: Screen) -> None:
    screen.open()
    keyboard = screen.page.keyboard
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
    screen.page.get_by_role("button", name="New album").first.focus()
    keyboard.press("Enter")
    keyboard.type("By keys")
    keyboard.press("Enter")
    expect(screen.page.get_by_role("heading", name="By keys", level=1)).to_be_focused()
    screen.choose({f"{n}.png": picture("PNG", 64, 48) for n in range(3)})
    for n in range(3):
        screen.expect_shows(f"{n}.png", "server")

    screen.tile("2.png").locator(".tile-link").focus()
    keyboard.press("ArrowRight")
    expect(screen.tile("1.png").locator(".tile-link")).to_be_focused()
    keyboard.press("Enter")
    expect(screen.page.locator(".viewer-name")).to_have_text("1.png")
    keyboard.press("Escape")
    expect(screen.tile("1.png").locator(".tile-link")).to_be_focused()


def test_arrows_lead_up_and_down_in_a_column_of_pictures(open_screen: OpenScreen, album: AlbumClient) -> None:
    album_id = album.create("In rows")
    for n in range(12):
        album.upload(album_id, picture("PNG", 64, 48), f"{n}.png")
    screen = open_screen(viewport={"width": 600, "height": 800}).open_album(album_id)
    tiles = screen.page.locator(".tile")
    expect(tiles).to_have_count(12)
    screen.tile("10.png").locator("a").focus()
    column = left_of_focus(screen)
    assert column > left_of(screen.tile("11.png"))

    for key, row in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("ArrowUp", 0), ("ArrowUp", 0)):
        screen.page.keyboard.press(key)
        assert left_of_focus(screen) == column, key
        tops = sorted(set(tiles.evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().top)")))
        top = screen.page.locator(".tile:focus-within").evaluate("(one) => one.getBoundingClientRect().top")
        assert tops.index(top) == row, key


def left_of(tile: Locator) -> float:
    left: float = tile.evaluate("(one) => one.getBoundingClientRect().left")
    return left


def left_of_focus(screen: Screen) -> float:
    return left_of(screen.page.locator(".tile:focus-within"))


def test_every_picture_of_the_grid_is_one_stop_of_the_tab_key(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("One stop")
    for name in ("a.png", "b.png", "c.png"):
        album.ready(album_id, picture("PNG", 64, 48), name)
    screen.open_album(album_id)
    expect(screen.page.locator(".tile")).to_have_count(3)
    assert screen.page.locator(".tile-link[tabindex='0']").count() == 1


@pytest.mark.parametrize("colours", ["none", "active"])
def test_the_focus_is_seen_on_a_picture(open_screen: OpenScreen, album: AlbumClient, colours: str) -> None:
    album_id = album.create("Looked at")
    album.ready(album_id, picture("PNG", 640, 480), "a.png")
    screen = open_screen(forced_colors=colours, reduced_motion="reduce").open_album(album_id)
    screen.expect_shows("a.png", "server")
    without = edge_of(screen.tile("a.png"))

    screen.page.get_by_role("button", name="Delete the album").focus()
    screen.page.keyboard.press("Tab")

    expect(screen.tile("a.png").locator("a")).to_be_focused()
    assert edge_of(screen.tile("a.png")) != without


def edge_of(tile: Locator) -> object:
    """The colour two pixels inside the middle of a tile's left edge, as it is on screen."""
    with Image.open(io.BytesIO(tile.screenshot(caret="initial"))) as shot:
        return shot.convert("RGB").getpixel((2, shot.height // 2))


def test_progress_is_seen_in_the_person_s_own_colours(open_screen: OpenScreen) -> None:
    screen = open_screen(forced_colors="active").open()
    screen.create_album("Own colours")
    screen.hold_uploads()
    screen.choose({"a.png": picture("PNG", 64, 48)})
    bar = screen.row("a.png").locator("progress")
    expect(bar).to_be_visible()
    bar.evaluate("(one) => { Object.defineProperty(one, 'value', { set() {} }); one.setAttribute('value', '0.5'); }")

    with Image.open(io.BytesIO(bar.screenshot())) as shot:
        sent, left = (shot.convert("RGB").getpixel((shot.width * n // 4, shot.height // 2)) for n in (1, 3))
    assert sent != left


def test_the_focus_is_not_lost_with_what_had_it(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Going")
    images = [album.ready(album_id, picture("PNG", 64, 48), f"{n}.png")["image_id"] for n in range(3)]
    screen.open_album(album_id)
    screen.tile("1.png").locator("a").focus()
    for image_id, next_one in ((images[1], "0.png"), (images[0], "2.png")):
        album.post("/album/image/delete", album_id=album_id, image_id=image_id)
        expect(screen.tile(next_one).locator("a")).to_be_focused()

    screen.page.keyboard.press("Enter")
    screen.page.keyboard.press("Delete")
    screen.confirm("Delete")
    expect(screen.page.get_by_role("heading", name="Going", level=1)).to_be_focused()


def test_the_list_of_uploads_keeps_the_focus_until_it_is_gone(screen: Screen) -> None:
    screen.open().create_album("In the corner")
    answer = {"status": "fail", "code": "storage-full", "message": "there is no room left"}
    screen.page.route("**/album/image/upload", lambda route: route.fulfill(status=507, json=answer))
    screen.choose({"a.png": picture("PNG", 64, 48), "b.png": picture("PNG", 64, 48), "c.txt": b"a text" * 9})
    for name in ("a.png", "b.png"):
        screen.expect_stage(name, "stopped")

    screen.row("a.png").get_by_role("button", name="Remove a.png").press("Enter")
    screen.confirm("Remove")
    expect(screen.page.locator(".tray-scroller")).to_be_focused()
    screen.page.get_by_role("button", name="Clear the list").press("Enter")
    expect(screen.page.get_by_role("heading", name="In the corner", level=1)).to_be_focused()


def test_what_happens_is_read_out_whatever_is_open(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Heard")
    album.ready(album_id, picture("PNG", 64, 48), "a.png")
    screen.page.route("**/album/image/delete", lambda route: route.abort())
    screen.open_album(album_id)
    screen.tile("a.png").click()
    screen.until(lambda: "a.png, picture 1 of 1" in read_out(screen), "the viewer is heard")

    screen.page.keyboard.press("Delete")
    screen.confirm("Delete")
    screen.until(lambda: "a.png could not be deleted." in read_out(screen), "a notice is heard in the viewer")

    screen.page.keyboard.press("Delete")
    screen.page.context.set_offline(True)
    screen.until(lambda: "The connection to the server is away." in read_out(screen), "one is heard in a question")

    screen.confirm("Cancel")
    screen.page.keyboard.press("Escape")
    expect(screen.page.locator(".viewer")).to_be_hidden()
    screen.page.context.set_offline(False)
    expect(screen.page.locator("#notices")).not_to_contain_text("away", timeout=30_000)
    album.post("/album/delete", album_id=album_id)
    gone = "This album does not exist any more."
    screen.until(lambda: gone in read_out(screen), "one is heard where nothing is open")


def test_the_page_moves_nothing_for_those_who_want_no_motion(open_screen: OpenScreen, album: AlbumClient) -> None:
    album_id = album.create("Still")
    album.ready(album_id, picture("PNG", 64, 48), "a.png")
    screen = open_screen(reduced_motion="reduce").open_album(album_id)
    screen.tile("a.png").locator(".tile-link").click()
    slide = screen.page.locator(".slide[data-step='0']")
    expect(slide).to_be_visible()
    assert float(slide.evaluate("(one) => parseFloat(getComputedStyle(one).transitionDuration)")) == 0


def test_no_script_or_style_is_written_into_the_page(screen: Screen) -> None:
    answer = screen.page.request.get(f"{screen.url}/")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "<style" not in answer.text()
    assert " style=" not in answer.text()


@pytest.mark.parametrize("path", ["", "admin/"])
def test_documents_are_kept_by_nobody(screen: Screen, path: str) -> None:
    assert screen.page.request.get(f"{screen.url}/{path}").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_is_wider_than_the_window(open_screen: OpenScreen, album: AlbumClient, width: int) -> None:
    album_id = album.create("A name that is rather long for the narrow screen of a telephone " * 2)
    album.ready(album_id, picture("PNG", 320, 240), "a.png")
    screen = open_screen(viewport={"width": width, "height": 800})
    for link in ("", f"#/album/{album_id}"):
        screen.open(link)
        expect(screen.page.locator(".page-detail")).not_to_be_empty()
        assert screen.page.evaluate("document.documentElement.scrollWidth") <= width


WINDOWS = [
    pytest.param({"width": 360, "height": 740}, "16px", id="a phone"),
    pytest.param({"width": 320, "height": 256}, "16px", id="zoomed to 400 %"),
    pytest.param({"width": 320, "height": 180}, "16px", id="a laptop zoomed to 400 %"),
    pytest.param({"width": 1280, "height": 800}, "32px", id="letters twice as large"),
    pytest.param({"width": 390, "height": 844}, "32px", id="letters twice as large on a phone"),
]


@pytest.mark.parametrize(("viewport", "letters"), WINDOWS)
def test_the_list_of_uploads_says_all_and_covers_no_button(
    open_screen: OpenScreen, viewport: dict[str, int], letters: str
) -> None:
    screen = open_screen(viewport=viewport).open()
    screen.page.evaluate("(size) => (document.documentElement.style.fontSize = size)", letters)
    screen.create_album("Tight")
    answer = {"status": "fail", "code": "truncated-image", "message": "cut"}
    screen.page.route("**/album/image/upload", lambda route: route.fulfill(status=422, json=answer))
    screen.choose({"text.jpg": b"a text" * 9, "a.png": picture("PNG", 64, 48)})
    screen.expect_stage("a.png", "stopped")

    for name in ("text.jpg", "a.png"):
        sentence = screen.row(name).locator(".row-stage")
        sentence.scroll_into_view_if_needed()
        expect(sentence).to_be_in_viewport(ratio=0.5)
        assert sentence.evaluate("(one) => one.scrollHeight <= one.clientHeight"), f"{name}: cut short"
        assert sentence.evaluate(
            "(one) => one.getBoundingClientRect().bottom <= one.closest('li').getBoundingClientRect().bottom"
        )
    for name in ("Retry all failed", "Fold the list", "Clear the list", "Delete the album"):
        screen.page.get_by_role("button", name=name).click(trial=True)


def test_letters_twice_as_large_are_all_read_on_a_phone(open_screen: OpenScreen, album: AlbumClient) -> None:
    name = f"Large {uuid.uuid4()}"
    album.create(name)
    screen = open_screen(viewport={"width": 390, "height": 844}).open()
    screen.page.evaluate("document.documentElement.style.fontSize = '32px'")
    card = screen.page.get_by_role("listitem").filter(has_text=name)

    for text in (screen.page.get_by_role("heading", name="Albums", level=1), card.locator(".album-detail")):
        assert text.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    screen.page.get_by_role("button", name="New album").click()
    dialog = screen.page.locator("dialog")
    assert dialog.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    for button in dialog.get_by_role("button").all():
        assert button.bounding_box()["x"] > dialog.bounding_box()["x"]  # type: ignore[index]


def test_the_name_of_an_opened_album_is_read_out(screen: Screen, album: AlbumClient) -> None:
    album.create("Summer of 76")
    screen.open().page.get_by_role("link", name="Summer of 76").click()

    expect(screen.page.locator("#announcements")).to_have_text("Summer of 76")


def test_what_was_read_out_is_not_read_out_again_with_what_comes_after_it(screen: Screen, album: AlbumClient) -> None:
    screen.open_album(album.create("Heard before"))
    expect(screen.page.locator("#announcements")).to_have_text("Heard before")
    later = album.create("Heard after")

    screen.open_album(later)

    expect(screen.page.locator("#announcements")).to_have_text("Heard after")


def test_the_focus_is_not_lost_with_an_album_that_is_deleted_elsewhere(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Going as a whole")
    screen.open()
    screen.page.locator(f".album-link[href$='{album_id}']").focus()

    album.post("/album/delete", album_id=album_id)

    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_focused()


def test_only_the_picture_that_is_looked_at_is_read_out_of_the_viewer(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("One at a time")
    for name in ("a.png", "b.png", "c.png"):
        album.ready(album_id, picture("PNG", 64, 48), name)
    screen.open_album(album_id)
    screen.tile("b.png").click()
    for step in ("-1", "0", "1"):
        expect(screen.page.locator(f".slide[data-step='{step}']")).to_have_attribute("data-shows", "server")

    session = screen.page.context.new_cdp_session(screen.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    images = [node["name"]["value"] for node in nodes if not node["ignored"] and node["role"]["value"] == "image"]
    assert images == ["b.png"]


def test_pictures_and_uploads_are_read_in_the_order_in_which_they_stand(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("In order")
    for n in range(40):
        album.upload(album_id, picture("PNG", 320, 240)[:900], f"{n}.png")
    screen.open_album(album_id)
    expect(screen.page.locator(".tray-title")).to_have_text("40 failed")
    tray = screen.page.locator(".tray-scroller")

    for places in ((500, 1_500), (0, 0)):
        screen.page.evaluate("([page]) => scrollTo(0, page)", places)
        tray.evaluate("(scroller, [, tray]) => scroller.scrollTo(0, tray)", places)
        screen.page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    album.ready(album_id, picture("PNG", 64, 48), "newest.png")
    screen.expect_stage("newest.png", "ready")

    for list_name in ("grid", "tray-list"):
        places = screen.page.locator(f".{list_name} > li").evaluate_all(
            "(entries) => entries.map((entry) => Number(entry.ariaPosInSet))"
        )
        assert places == list(range(1, len(places) + 1))
