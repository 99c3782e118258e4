"""What is read on a narrow screen, with more room between letters, and in colours of one's own."""

from __future__ import annotations

from functools import partial

import pytest
from playwright.sync_api import expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.web.conftest import OpenScreen
from tests.web.screen import Screen

PHONE = {"width": 360, "height": 740}

# What WCAG 2.2, 1.4.12, lets a person set. The policy of the page lets no other script write styles.
SPACE_OUT = """() => {
  const sheet = new CSSStyleSheet();
  const spaces = { 'line-height': 1.5, 'letter-spacing': '.12em', 'word-spacing': '.16em' };
  sheet.replaceSync(`* { ${Object.entries(spaces).map(([name, value]) => `${name}: ${value} !important`).join(';')} }`);
  document.adoptedStyleSheets = [sheet];
}"""

FITS = """(row) => {
  const sentence = row.querySelector('.row-stage');
  const [box, first, last] = [row, row.querySelector('.row-name'), sentence].map((one) => one.getBoundingClientRect());
  const isWhole = sentence.scrollHeight <= sentence.clientHeight;
  return isWhole && first.top >= box.top && first.bottom <= last.top && last.bottom <= box.bottom;
}"""


def test_a_name_of_two_lines_is_read_as_a_whole_on_a_phone(open_screen: OpenScreen, album: AlbumClient) -> None:
    name = "Summer at the lakes"
    screen = open_screen(viewport=PHONE).open_album(album.create(name))

    heading = screen.page.get_by_role("heading", name=name, level=1)
    assert heading.evaluate("(one) => one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight")
    assert screen.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_very_long_name_takes_no_more_than_two_lines_of_a_phone(open_screen: OpenScreen, album: AlbumClient) -> None:
    screen = open_screen(viewport=PHONE).open_album(album.create("A very long name " * 15))
    heading = screen.page.get_by_role("heading", level=1)

    expect(heading).to_contain_text("A very long name")
    assert heading.bounding_box()["height"] < 70  # type: ignore[index]


def test_how_far_an_upload_is_comes_before_the_picture_s_size_in_the_viewer(screen: Screen) -> None:
    screen.open().create_album("On its way")
    screen.hold_uploads()
    screen.choose({"a.png": picture("PNG", 640, 480)})
    screen.expect_stage("a.png", "uploading")
    screen.tile("a.png").locator(".tile-link").click()

    expect(screen.page.locator(".viewer-detail")).to_contain_text("1 of 1 · Uploading, 0% · 640 x 480")


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, PHONE], ids=["desk", "phone"])
def test_lines_of_the_list_of_uploads_do_not_overlap_when_text_is_spaced_out(
    open_screen: OpenScreen, viewport: dict[str, int]
) -> None:
    screen = open_screen(viewport=viewport).open()
    screen.create_album("Spaced out")
    answer = {"status": "fail", "code": "unsupported-codec", "message": "cut"}
    screen.page.route("**/album/image/upload", lambda route: route.fulfill(status=422, json=answer))
    screen.choose({"wide.png": picture("PNG", 12345, 10), "a.png": picture("PNG", 64, 48)})
    screen.expect_stage("a.png", "stopped")

    screen.page.evaluate(SPACE_OUT)

    for name in ("wide.png", "a.png"):
        screen.until(partial(screen.row(name).evaluate, FITS), f"{name} fits")


def test_dialogs_and_notices_have_an_edge_in_the_person_s_own_colours(open_screen: OpenScreen) -> None:
    screen = open_screen(forced_colors="active").open("#/album/00000000-0000-4000-8000-000000000000")
    notice = screen.page.locator(".notice", has_text="This album does not exist any more.")
    expect(notice).to_have_css("border-top-style", "solid")
    screen.page.get_by_role("button", name="New album").first.click()

    expect(screen.page.locator("dialog.dialog")).to_have_css("border-top-style", "solid")
