"""The list of uploads lies over the page, and hides nothing of it for good."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.web.conftest import OpenScreen
from tests.web.screen import Screen


def box(locator: Locator) -> dict[str, float]:
    """Where something is on screen."""
    edges: dict[str, float] = locator.evaluate("(one) => one.getBoundingClientRect().toJSON()")
    return edges


@pytest.fixture
def screen(open_screen: OpenScreen, album: AlbumClient) -> Screen:
    """An album of forty pictures, with a long list of uploads over it."""
    screen = open_screen(viewport={"width": 800, "height": 800})
    album_id = album.create("Below the list")
    for n in range(40):
        album.upload(album_id, picture("PNG", 160, 120), f"{n}.png")
    screen.open_album(album_id)
    screen.hold_uploads()
    screen.choose({f"new-{n}.png": picture("PNG", 160, 120) for n in range(12)})
    expect(screen.page.locator(".tray-list > .tray-row")).not_to_have_count(0)
    screen.until(lambda: box(screen.page.locator(".tray"))["height"] > 300, "the list is open")
    return screen


def test_the_picture_that_has_the_focus_is_never_behind_the_list(screen: Screen) -> None:
    tray = screen.page.locator(".tray")
    screen.page.locator(".tile-link").first.focus()
    for key in ["ArrowDown"] * 12 + ["End"] + ["ArrowUp"] * 12:
        screen.page.keyboard.press(key)
        focused = box(screen.page.locator(".tile-link:focus"))
        assert focused["bottom"] <= box(tray)["top"], key
        assert focused["top"] >= box(screen.page.locator(".page-bar"))["bottom"], key


def test_the_last_pictures_can_be_scrolled_clear_of_the_list(screen: Screen) -> None:
    tray, last = screen.page.locator(".tray"), screen.tile("0.png")
    screen.page.evaluate("scrollTo(0, 100_000)")
    expect(last).to_be_visible()
    assert box(last)["bottom"] <= box(tray)["top"]

    screen.page.get_by_role("button", name="Fold the list").click()
    screen.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    screen.page.evaluate("scrollTo(0, 100_000)")

    assert box(tray)["top"] - 100 < box(last)["bottom"] <= box(tray)["top"]
