"""An album on paper."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.web.screen import Screen


def test_pictures_are_printed_whole_and_without_controls(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("On paper")
    for n in range(12):
        album.ready(album_id, picture("PNG", 320, 240), f"{n}.png")
    album.settled(album.upload(album_id, picture("PNG", 320, 240)[:900], "broken.png"))
    screen.open_album(album_id)
    expect(screen.page.locator(".tray")).to_be_visible()
    for n in range(12):
        screen.expect_shows(f"{n}.png", "server")

    screen.page.emulate_media(media="print")

    expect(screen.page.locator(".tray")).to_be_hidden()
    expect(screen.page.get_by_role("button").locator("visible=true")).to_have_count(0)
    expect(screen.page.get_by_role("heading", name="On paper", level=1)).to_be_visible()
    # In lines of text, which no browser cuts, one below the other, and none over the next.
    expect(screen.tile("0.png")).to_have_css("display", "inline-block")
    boxes = screen.page.locator(".tile").evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().toJSON())")
    assert len(boxes) == 13
    assert all(
        one["right"] <= other["left"] or one["bottom"] <= other["top"]
        for number, one in enumerate(boxes)
        for other in boxes[number + 1 :]
    )
    end = screen.page.locator(".grid").evaluate("(one) => one.getBoundingClientRect().bottom")
    assert max(box["bottom"] for box in boxes) <= end
