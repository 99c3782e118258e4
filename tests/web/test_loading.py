"""The page itself comes over a slow or broken connection."""

from __future__ import annotations

import re
import uuid
from typing import cast

from playwright.sync_api import Route, expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.web.screen import Screen

ALBUM_PART = "**/scripts/album/part.js"


def test_the_albums_are_listed_before_what_only_an_open_album_needs_has_come(
    screen: Screen, album: AlbumClient
) -> None:
    name = f"Slow {uuid.uuid4()}"
    album.create(name)
    held: list[Route] = []
    screen.page.route(ALBUM_PART, lambda route: held.append(route))
    with screen.page.expect_request(ALBUM_PART):
        screen.page.goto(screen.url, wait_until="commit")

    screen.page.get_by_role("link", name=name).click()
    assert held
    for route in held:
        route.continue_()

    expect(screen.page.get_by_role("heading", name="No pictures yet")).to_be_visible()


def test_an_album_that_a_broken_connection_kept_away_opens_at_the_next_try(screen: Screen, album: AlbumClient) -> None:
    name = f"Broken {uuid.uuid4()}"
    album.create(name)
    screen.page.route(ALBUM_PART, lambda route: route.abort())
    screen.open()
    screen.expect_notice("Not all of this page could be loaded.")
    screen.page.unroute(ALBUM_PART)

    screen.page.get_by_role("link", name=name).click()

    expect(screen.page.get_by_role("heading", name="No pictures yet")).to_be_visible()


def test_a_page_whose_scripts_do_not_all_come_says_so_and_does_not_stay_blank(screen: Screen) -> None:
    screen.page.route("**/scripts/session/session.js", lambda route: route.abort())
    screen.open()
    expect(screen.page.get_by_text("This takes longer than usual.")).to_be_visible()

    screen.page.unroute("**/scripts/session/session.js")
    screen.page.reload()

    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
    expect(screen.page.get_by_text("This takes longer than usual.")).to_have_count(0)


def test_a_visitor_to_a_server_that_waits_for_another_is_told_and_goes_on_when_it_answers(
    screen: Screen, album: AlbumClient
) -> None:
    name = f"Kept waiting {uuid.uuid4()}"
    album.create(name)
    held: list[Route] = []
    is_away = True
    requests = re.compile("/(session|events|album/list)$")
    screen.page.route(requests, lambda route: held.append(route) if is_away else route.continue_())
    screen.page.goto(screen.url, wait_until="commit")

    expect(screen.page.get_by_text("The connection to the server is away.").first).to_be_visible(timeout=15_000)
    is_away = False
    for route in held:
        route.continue_()

    expect(screen.page.get_by_role("link", name=name)).to_be_visible()
    expect(screen.page.locator(".notice:visible")).to_have_count(0)


def test_a_second_visit_downloads_no_script_and_asks_about_none(screen: Screen) -> None:
    fetched = "performance.getEntriesByType('resource').filter((each) => each.name.includes('/assets/'))"
    # The scripts of low priority may come after the load event.
    awaited = """[...document.querySelectorAll("link[rel=modulepreload]")].map((link) => link.href)
      .filter((href) => performance.getEntriesByName(href).length === 0)"""

    def visit() -> list[str]:
        """The addresses that went over the network."""
        screen.open()
        expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
        screen.until(lambda: screen.page.evaluate(awaited) == [], "every script is there")
        over_the_network = f"{fetched}.filter((each) => each.transferSize > 0).map((each) => each.name)"
        return cast("list[str]", screen.page.evaluate(over_the_network))

    first = visit()
    screen.page.goto("about:blank")
    again = visit()

    assert len(first) > 0
    assert screen.page.evaluate(f"{fetched}.length") >= len(first)
    assert again == []


def test_who_waits_for_an_album_reads_that_it_is_loaded(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create()
    screen.page.route("**/album/images", lambda _route: None)
    screen.open(f"#/album/{album_id}")
    script = """(one) => {
      const { content, visibility } = getComputedStyle(one, '::before');
      return content + visibility;
    }"""
    detail = screen.page.locator(".album-page .page-detail")

    screen.until(lambda: detail.evaluate(script) == '"Loading…"visible', "it says so")


def test_a_part_of_an_album_is_not_told_as_all_of_it(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create()
    album.ready(album_id, picture("PNG", 64, 48), "a.png")
    held: list[Route] = []

    def begin(route: Route) -> None:
        if "after" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.fulfill(json={**route.fetch().json(), "next": "more"})

    screen.page.route("**/album/images", begin)
    screen.open(f"#/album/{album_id}")
    screen.expect_shows("a.png", "server")
    screen.until(lambda: held, "the rest is asked for")
    expect(screen.page.locator(".page-detail")).to_be_empty()
    screen.page.get_by_role("button", name="Delete the album").click()
    expect(screen.page.get_by_text("The album and its pictures are deleted for good.")).to_be_visible()
    screen.confirm("Cancel")

    held[0].fulfill(json={"status": "success", "images": [], "next": None})

    expect(screen.page.locator(".page-detail")).to_have_text("1 picture")


def test_an_album_without_a_server_says_so_at_once(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create()
    screen.page.clock.install()
    screen.open()
    expect(screen.page.get_by_role("link").first).to_be_visible()
    screen.page.route("**/album/*", lambda route: route.abort())
    screen.page.route("**/events*", lambda _route: None)
    # No time passes from here on: what would be said later is not said.
    screen.page.clock.pause_at("2100-01-01")

    screen.page.evaluate("(id) => (location.hash = `#/album/${id}`)", album_id)

    screen.expect_notice("The connection to the server is away.")


def test_events_that_were_refused_for_a_moment_come_after_all(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Refused for a moment")
    refusal = {"status": "fail", "code": "unavailable", "message": "the store is away"}
    screen.page.route("**/events*", lambda route: route.fulfill(status=503, json=refusal), times=1)
    screen.open(f"#/album/{album_id}")
    screen.expect_notice("Live updates are away.")

    expect(screen.page.locator(".notice:visible")).to_have_count(0)


def test_a_server_that_takes_a_request_and_does_not_answer_is_told_as_away(screen: Screen, album: AlbumClient) -> None:
    screen.open_album(album.create("Silent"))
    screen.page.route("**/events*", lambda _route: None)
    screen.page.route("**/album/images", lambda _route: None)

    screen.turn_away()
    screen.turn_away(False)

    screen.expect_notice("The connection to the server is away.")
