"""What happens elsewhere is seen here; a lost connection is said and made up for."""

from __future__ import annotations

import uuid

from playwright.sync_api import APIResponse, Route, expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.web.conftest import OpenScreen
from tests.web.screen import PATIENCE_MS, TWO_FRAMES, Screen

KEEP_STREAM = """
  EventSource = class extends EventSource {
    constructor(address) {
      super(address);
      window.stream = this;
    }
  };
"""


def test_a_picture_uploaded_elsewhere_appears(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Shared")
    screen.open_album(album_id)
    album.ready(album_id, picture("JPEG", 640, 480), "elsewhere.jpg")
    screen.expect_stage("elsewhere.jpg", "ready")
    screen.expect_shows("elsewhere.jpg", "server")


def test_a_listing_that_was_read_before_an_event_does_not_undo_it(
    open_screen: OpenScreen, start_stack: StartStack
) -> None:
    stack, held = start_stack(decoders=0), []
    with stack.client() as client:
        album_id = client.create("Slow listing")
        screen = open_screen(stack=stack).open_album(album_id)
        client.upload(album_id, picture("PNG", 64, 48), "a.png")
        screen.expect_stage("a.png", "queued")

        screen.page.route("**/album/images", lambda route: held.append((route, route.fetch())))
        client.upload(album_id, picture("PNG", 64, 48), "b.png")
        screen.until(lambda: held, "the listing is read while both are queued")
        stack.start("decoder")
        screen.expect_stage("a.png", "ready")
        for route, listing in held:
            route.fulfill(response=listing)

    expect(screen.page.locator(".page-detail")).to_have_text("2 pictures")
    screen.expect_stage("a.png", "ready")


def test_a_deletion_is_seen_in_a_second_window(open_screen: OpenScreen, album: AlbumClient) -> None:
    album_id = album.create("Two windows")
    for name in ("a.png", "b.png"):
        album.ready(album_id, picture("PNG", 64, 48), name)
    first, second = open_screen().open_album(album_id), open_screen().open_album(album_id)

    first.tile("a.png").click()
    first.page.get_by_role("button", name="Delete", exact=True).click()
    first.confirm("Delete")

    expect(second.tile("a.png")).to_have_count(0)
    expect(second.page.locator(".page-detail")).to_have_text("1 picture")
    expect(first.page.locator(".viewer-name")).to_have_text("b.png")


def test_an_album_deleted_elsewhere_is_left(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Doomed")
    screen.open_album(album_id)
    album.post("/album/delete", album_id=album_id)
    screen.expect_notice("This album does not exist any more.")
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()


def test_who_deletes_an_album_reads_so_though_its_event_comes_before_the_answer(
    screen: Screen, album: AlbumClient
) -> None:
    screen.open_album(album.create("Not needed any more"))
    answers: list[tuple[Route, APIResponse]] = []
    screen.page.route("**/album/delete", lambda route: answers.append((route, route.fetch())))

    screen.page.get_by_role("button", name="Delete the album").click()
    screen.confirm("Delete album")

    screen.expect_notice("The album was deleted.")
    for route, answer in answers:
        route.fulfill(response=answer)
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_focused()
    expect(screen.page.locator(".notice:visible")).to_have_count(1)


def test_a_new_album_appears_on_the_first_page(screen: Screen, album: AlbumClient) -> None:
    screen.open()
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
    album.create("Made elsewhere just now")
    expect(screen.page.get_by_role("link", name="Made elsewhere just now")).to_be_visible(timeout=PATIENCE_MS)


def test_a_lost_connection_is_said_and_made_up_for(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("In a tunnel")
    album.ready(album_id, picture("PNG", 64, 48), "old.png")
    screen.open_album(album_id)
    screen.page.context.set_offline(True)
    screen.expect_notice("The connection to the server is away.")
    album.ready(album_id, picture("PNG", 64, 48), "new.png")
    old = album.post("/album/images", album_id=album_id).json()["images"][0]
    album.post("/album/image/delete", album_id=album_id, image_id=old["id"])

    screen.page.context.set_offline(False)

    screen.expect_shows("new.png", "server")
    expect(screen.tile("old.png")).to_have_count(0)
    expect(screen.page.locator(".notice:visible")).to_have_count(0)


def test_more_tabs_are_open_than_the_browser_has_connections(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("In many tabs")
    for _ in range(6):
        Screen(screen.page.context.new_page(), screen.url).open_album(album_id).turn_away()
    screen.open_album(album_id)


def test_a_page_that_was_hidden_catches_up_and_is_live_again(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Behind another tab")
    album.ready(album_id, picture("PNG", 64, 48), "old.png")
    screen.open_album(album_id)
    screen.turn_away()
    album.ready(album_id, picture("PNG", 64, 48), "new.png")
    old = album.post("/album/images", album_id=album_id).json()["images"][0]
    album.post("/album/image/delete", album_id=album_id, image_id=old["id"])

    screen.turn_away(False)

    screen.expect_shows("new.png", "server")
    expect(screen.tile("old.png")).to_have_count(0)
    album.ready(album_id, picture("PNG", 64, 48), "newest.png")
    screen.expect_shows("newest.png", "server")


def test_a_reset_of_the_events_reloads_the_listing(screen: Screen, album: AlbumClient) -> None:
    screen.page.add_init_script(KEEP_STREAM)
    screen.open_album(album.create("Forgotten"))
    with screen.page.expect_request("**/album/images"):
        screen.page.evaluate("stream.dispatchEvent(new Event('reset'))")


def test_pictures_that_did_not_come_while_the_server_was_away_come_when_it_is_back(
    screen: Screen, album: AlbumClient
) -> None:
    album_id = album.create("Half seen")
    album.ready(album_id, picture("PNG", 64, 48), "a.png")
    failures: list[str] = []
    screen.page.on("requestfailed", lambda request: failures.append(request.url))
    screen.page.route("**/album/thumbnail/*", lambda route: route.abort())
    screen.page.clock.install()
    screen.open_album(album_id)
    screen.fly_until(lambda: len(failures) == 5, "the tile gave up")
    screen.page.unroute("**/album/thumbnail/*")

    screen.turn_away()
    screen.turn_away(False)

    screen.expect_shows("a.png", "server")


def test_covers_that_did_not_come_come_at_the_next_news(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Cover")
    album.ready(album_id, picture("PNG", 64, 48), "a.png")
    failures: list[str] = []
    screen.page.on("requestfailed", lambda request: failures.append(request.url))
    screen.page.route("**/album/thumbnail/*", lambda route: route.abort())
    screen.open()
    card = screen.page.locator(".album", has=screen.page.locator(f'[href="#/album/{album_id}"]'))
    screen.until(lambda: any(album_id in url for url in failures), "its thumbnail was asked for")
    screen.page.unroute("**/album/thumbnail/*")

    album.create("News")

    screen.until(lambda: screen.is_on_screen(card), "the cover is shown")


def refuse(route: Route) -> None:
    """Answer as a server does whose store is away."""
    route.fulfill(status=503, json={"status": "fail", "code": "unavailable", "message": "the store is away"})


def test_a_picture_that_was_deleted_while_the_connection_was_away_is_not_being_prepared_for_ever(
    open_screen: OpenScreen, idle_stack: Stack
) -> None:
    with idle_stack.client() as client:
        album_id = client.create("Deleted in a tunnel")
        screen = open_screen(stack=idle_stack).open_album(album_id)
        screen.choose({"a.png": picture("PNG", 64, 48)})
        screen.expect_stage("a.png", "queued")
        expect(screen.row("a.png")).to_be_visible()
        screen.turn_away()
        image = client.post("/album/images", album_id=album_id).json()["images"][0]
        client.post("/album/image/delete", album_id=album_id, image_id=image["id"])

        screen.turn_away(False)

        expect(screen.tile("a.png")).to_have_count(0)
        expect(screen.page.locator(".tray")).to_be_hidden(timeout=8000)


def test_a_picture_that_comes_while_a_long_album_is_read_stays(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Long")
    album.ready(album_id, picture("PNG", 64, 48), "a.png")
    held: list[Route] = []

    def begin(route: Route) -> None:
        route.fulfill(json={**route.fetch().json(), "next": "more"})

    screen.page.route("**/album/images", begin, times=1)
    screen.page.route(
        "**/album/images",
        lambda route: held.append(route) if '"more"' in (route.request.post_data or "") else route.fallback(),
    )
    screen.open(f"#/album/{album_id}")
    screen.until(lambda: held, "the rest is asked for")
    album.ready(album_id, picture("PNG", 64, 48), "b.png")
    screen.expect_shows("b.png", "server")

    held[0].fulfill(json={"status": "success", "images": [], "next": None})

    expect(screen.page.locator(".page-detail")).to_have_text("2 pictures")


def test_an_album_whose_listing_was_refused_for_a_moment_is_read_again(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Refused")
    album.ready(album_id, picture("PNG", 64, 48), "a.png")
    screen.page.clock.install()
    screen.page.route("**/album/images", refuse, times=1)
    screen.open(f"#/album/{album_id}")
    screen.fly_until(lambda: screen.page.locator(".page-detail").text_content() == "1 picture", "it is read again")


def test_a_list_of_albums_that_was_refused_for_a_moment_is_read_again(screen: Screen, album: AlbumClient) -> None:
    name = f"Refused {uuid.uuid4()}"
    album.create(name)
    screen.page.clock.install()
    screen.page.route("**/album/list", refuse, times=2)
    screen.open()
    screen.fly_until(screen.page.get_by_role("link", name=name).count, "it is read again")


def test_events_that_are_back_early_are_not_asked_for_anew(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Back sooner")
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url) if "/events" in request.url else None)
    screen.page.route("**/events*", refuse, times=1)
    screen.page.clock.install()
    screen.page.goto(f"{screen.url}/#/album/{album_id}")
    screen.until(lambda: asked, "events are asked for")
    screen.page.evaluate(TWO_FRAMES)

    screen.page.evaluate("dispatchEvent(new Event('online'))")
    expect(screen.page.locator(".page-detail")).to_have_text("0 pictures")
    screen.page.clock.fast_forward(10_000)
    screen.page.evaluate(TWO_FRAMES)

    assert len(asked) == 2


def test_an_album_that_was_left_says_nothing_of_the_connection_later(screen: Screen, album: AlbumClient) -> None:
    name = f"Left at once {uuid.uuid4()}"
    album.create(name)
    held: list[Route] = []
    screen.open()
    screen.page.route("**/events?album_id=*", lambda _route: None)
    screen.page.route("**/album/get", lambda route: held.append(route))
    screen.page.get_by_role("link", name=name).click()
    screen.until(lambda: held, "the album is asked for")
    screen.page.go_back()
    expect(screen.page.get_by_role("link", name=name)).to_be_visible()

    with screen.page.expect_event("requestfailed"):
        held[0].abort()
    screen.page.evaluate(TWO_FRAMES)

    expect(screen.page.locator(".notice:visible")).to_have_count(0)


def test_a_list_of_albums_that_was_read_before_a_deletion_does_not_undo_it(screen: Screen, album: AlbumClient) -> None:
    name, news = f"Short-lived {uuid.uuid4()}", f"News {uuid.uuid4()}"
    album_id = album.create(name)
    held: list[tuple[Route, APIResponse]] = []
    screen.open()
    link = screen.page.get_by_role("link", name=name)
    expect(link).to_be_visible()
    screen.page.route("**/album/list", lambda route: held.append((route, route.fetch())))
    album.create(news)
    screen.until(lambda: any(news in listing.text() for _, listing in held), "the list is read")
    album.post("/album/delete", album_id=album_id)
    expect(link).to_have_count(0)

    screen.page.route("**/album/list", lambda route: route.continue_())  # further pages, of many albums
    for route, listing in held:
        route.fulfill(response=listing)

    expect(screen.page.get_by_role("link", name=news)).to_be_visible()
    expect(link).to_have_count(0)


def test_a_list_of_albums_that_comes_late_does_not_undo_a_newer_one(screen: Screen, album: AlbumClient) -> None:
    first, second = f"First {uuid.uuid4()}", f"Second {uuid.uuid4()}"
    held: list[tuple[Route, APIResponse]] = []
    screen.open()
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
    screen.page.route("**/album/list", lambda route: held.append((route, route.fetch())))
    album.create(first)
    screen.until(lambda: any(first in listing.text() for _, listing in held), "the list is read")
    album.create(second)
    screen.until(lambda: second in held[-1][1].text(), "the list is read again")

    screen.page.route("**/album/list", lambda route: route.continue_())  # further pages, of many albums
    for route, listing in reversed(held):
        route.fulfill(response=listing)
        screen.page.evaluate(TWO_FRAMES)

    expect(screen.page.get_by_role("link", name=second)).to_have_count(1)


def test_pictures_that_were_listed_late_do_not_take_the_place_of_newer_ones_on_a_cover(
    screen: Screen, album: AlbumClient
) -> None:
    album_id = album.create("Cover twice")
    album.ready(album_id, picture("PNG", 64, 48), "a.png")
    held: list[tuple[Route, APIResponse]] = []
    screen.page.route(
        "**/album/images",
        lambda route: (
            held.append((route, route.fetch())) if album_id in (route.request.post_data or "") else route.continue_()
        ),
    )
    screen.open()
    screen.until(lambda: held, "the cover is asked for")
    album.ready(album_id, picture("PNG", 64, 48), "b.png")
    screen.until(lambda: len(held[-1][1].json()["images"]) == 2, "it is asked for again")
    card = screen.page.locator(".album", has=screen.page.locator(f'[href="#/album/{album_id}"]'))
    for route, listing in reversed(held):
        route.fulfill(response=listing)
        screen.page.evaluate(TWO_FRAMES)
    screen.page.unroute("**/album/images")
    expect(card.locator(".cover img")).to_have_count(2)


def test_a_picture_that_has_left_the_page_is_not_asked_for_any_more(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Left")
    image = album.ready(album_id, picture("PNG", 64, 48), "a.png")
    asked: list[str] = []
    held: list[Route] = []
    screen.page.clock.install()
    screen.page.on("request", lambda request: asked.append(request.url) if "/thumbnail/" in request.url else None)
    screen.page.route("**/album/thumbnail/*", lambda route: held.append(route))
    screen.open_album(album_id)
    screen.until(lambda: held, "the thumbnail is asked for")
    album.post("/album/image/delete", album_id=album_id, image_id=image["image_id"])
    expect(screen.page.locator(".page-detail")).to_have_text("0 pictures")
    expect(screen.tile("a.png")).to_have_count(0)
    asked.clear()
    with screen.page.expect_event("requestfailed"):
        held[0].abort()

    for _ in range(20):
        screen.page.clock.run_for(1_000)

    assert asked == []
