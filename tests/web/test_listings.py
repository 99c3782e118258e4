"""Albums that are listed in several pages, of which some do not come, or while something happens."""

from __future__ import annotations

from playwright.sync_api import Route, expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.stack import StartStack
from tests.web.conftest import OpenScreen

FIRST_PAGE = 200
"""As `album/store.js` asks for."""
LISTING = "**/album/images"


def filled(client: AlbumClient, count: int) -> str:
    """An album of so many pictures, the last of which is ``newest.png``."""
    album_id, content = client.create("Long"), picture("PNG", 16, 12)
    for number in range(1, count):
        client.upload(album_id, content, f"{number}.png")
    client.upload(album_id, content, "newest.png")
    return album_id


def is_following(route: Route) -> bool:
    return "after" in (route.request.post_data_json or {})


def test_what_is_new_in_a_listing_that_broke_off_shows_once_and_in_its_place(
    open_screen: OpenScreen, start_stack: StartStack
) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    broken: list[Route] = []
    with stack.client() as client:
        album_id = filled(client, FIRST_PAGE + 1)
        screen = open_screen(stack=stack).open_album(album_id)
        screen.turn_away()
        for number in range(FIRST_PAGE + 30):
            client.upload(album_id, picture("PNG", 16, 12), f"later {number}.png")

        def break_once(route: Route) -> None:
            if is_following(route) and not broken:
                broken.append(route)
                route.abort()
            else:
                route.continue_()

        screen.page.route(LISTING, break_once)
        screen.turn_away(is_hidden=False)

        expect(screen.page.locator(".page-detail")).to_have_text(f"{2 * FIRST_PAGE + 31} pictures")
        names = screen.page.evaluate("[...document.querySelectorAll('.tile-link')].map((one) => one.ariaLabel)")
    assert broken
    last = FIRST_PAGE + 29
    assert [name.partition(".png")[0] for name in names[:3]] == [f"later {last - place}" for place in range(3)]


def test_a_picture_that_is_deleted_between_two_pages_of_a_listing_does_not_stay(
    open_screen: OpenScreen, start_stack: StartStack
) -> None:
    stack, held = start_stack(decoders=0, thumbnailers=0), []
    with stack.client() as client:
        album_id = filled(client, FIRST_PAGE + 30)
        screen = open_screen(stack=stack).open_album(album_id)
        screen.turn_away()
        doomed = client.upload(album_id, picture("PNG", 16, 12), "doomed.png").json()["image_id"]
        screen.page.route(LISTING, lambda route: held.append(route) if is_following(route) else route.continue_())
        screen.turn_away(is_hidden=False)
        screen.until(lambda: held, "the second page is asked for")

        client.post("/album/image/delete", album_id=album_id, image_id=doomed)
        # Its event is told before that of what comes after it.
        client.upload(album_id, picture("PNG", 16, 12), "last.png")
        screen.until(lambda: len(held) > 1 or screen.tile("last.png").count(), "the page has heard of both")
        for route in held:
            route.continue_()

        expect(screen.page.locator(".page-detail")).to_have_text(f"{FIRST_PAGE + 31} pictures")
        expect(screen.tile("doomed.png")).to_have_count(0)
