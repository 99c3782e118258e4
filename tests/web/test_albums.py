"""Albums: made, opened, linked to, deleted."""

from __future__ import annotations

import re
import uuid

from playwright.sync_api import expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.stack import StartStack
from tests.web.conftest import OpenScreen
from tests.web.screen import Screen


def test_a_first_visit_says_what_to_do(open_screen: OpenScreen, start_stack: StartStack) -> None:
    screen = open_screen(stack=start_stack(decoders=0, thumbnailers=0)).open()
    expect(screen.page.get_by_role("heading", name="No albums yet")).to_be_visible()

    screen.create_album("Summer at the lake")

    expect(screen.page.get_by_role("heading", name="No pictures yet")).to_be_visible()


def test_a_created_album_is_listed_and_opens_by_its_link(screen: Screen) -> None:
    name = f"Journey {uuid.uuid4()}"
    album_id = screen.open().create_album(name)

    screen.page.get_by_role("link", name="All albums").click()
    expect(screen.page.get_by_role("link", name=name)).to_be_visible()

    screen.open(f"#/album/{album_id}")
    expect(screen.page.get_by_role("heading", name=name, level=1)).to_be_visible()


def test_an_album_is_deleted_only_after_a_yes(screen: Screen, album: AlbumClient) -> None:
    name = f"Old {uuid.uuid4()}"
    album_id = album.create(name)
    screen.open()

    screen.page.get_by_role("button", name=f"Delete {name}").click()
    question = screen.page.get_by_role("dialog", name=f"Delete {name}?")
    expect(question).to_have_accessible_description("The album and its 0 pictures are deleted for good.")
    screen.confirm("Cancel")
    assert album.post("/album/get", album_id=album_id).status_code == 200
    screen.page.get_by_role("button", name=f"Delete {name}").click()
    screen.confirm("Delete album")

    expect(screen.page.get_by_role("link", name=name)).to_have_count(0)
    assert album.post("/album/get", album_id=album_id).status_code == 404


def test_a_question_ends_when_the_page_that_asked_it_is_left(screen: Screen) -> None:
    screen.open().create_album(f"Asked about {uuid.uuid4()}")
    screen.page.get_by_role("button", name="Delete the album").click()
    expect(screen.page.locator("dialog.dialog")).to_be_visible()

    screen.page.go_back()

    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
    expect(screen.page.locator("dialog.dialog")).to_have_count(0)


def test_a_name_that_is_being_typed_is_not_lost_by_selecting_beyond_its_field(screen: Screen) -> None:
    screen.open().page.get_by_role("button", name="New album").first.click()
    name = screen.page.get_by_label("Name", exact=True)
    name.fill("Summer at the lake")
    place = name.bounding_box()
    assert place
    screen.page.mouse.move(place["x"] + 100, place["y"] + 20)
    screen.page.mouse.down()
    screen.page.mouse.move(20, place["y"] + 20, steps=3)
    screen.page.evaluate("addEventListener('click', () => (window.hasClicked = true))")
    screen.page.mouse.up()
    screen.until(lambda: screen.page.evaluate("window.hasClicked"), "the browser takes it for a click")
    expect(name).to_have_value("Summer at the lake")

    screen.page.mouse.click(20, place["y"] + 20)
    expect(name).to_have_count(0)


def test_who_comes_back_to_the_list_is_where_they_left_it(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Far down")
    for n in range(30):
        album.create(f"Above {n}")
    card = screen.open().page.locator(f'[href="#/album/{album_id}"]')
    for leave in (screen.page.go_back, screen.page.get_by_role("link", name="All albums").click):
        card.click()
        expect(screen.page.get_by_role("heading", name="Far down", level=1)).to_be_visible()
        leave()
        expect(card).to_be_focused()
        expect(card).to_be_in_viewport()


def test_a_deleted_album_leaves_nothing_in_the_history_behind_the_list(screen: Screen, album: AlbumClient) -> None:
    first, second = album.create("Deleted here"), album.create("Deleted elsewhere")
    album.ready(second, picture("PNG", 64, 48), "a.png")
    screen.open()
    entries = screen.page.evaluate("history.length")

    screen.page.locator(f'[href="#/album/{first}"]').click()
    screen.page.get_by_role("button", name="Delete the album").click()
    screen.confirm("Delete album")
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
    screen.page.locator(f'[href="#/album/{second}"]').click()
    screen.tile("a.png").click()
    expect(screen.page.locator(".viewer")).to_be_visible()
    album.post("/album/delete", album_id=second)
    screen.expect_notice("This album does not exist any more.")

    # The list, and what one may go forward to: an album and its picture.
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
    assert screen.page.evaluate("history.length") == entries + 2
    screen.page.evaluate("history.forward()")
    screen.expect_notice("This album does not exist any more.")
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()


def test_a_link_to_an_album_that_is_gone_says_so(screen: Screen) -> None:
    screen.open(f"#/album/{uuid.uuid4()}")
    screen.expect_notice("This album does not exist any more.")
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()


def test_albums_beyond_the_first_page_of_the_listing_are_shown_too(screen: Screen, album: AlbumClient) -> None:
    ids = [album.create(f"Album {n}") for n in range(2)]
    albums = album.post("/album/list", limit=10_000).json()["albums"]
    half = (len(albums) + 1) // 2
    screen.page.route(
        "**/album/list",
        lambda route: route.continue_(post_data={**(route.request.post_data_json or {}), "limit": half}),
    )

    screen.open()

    for album_id in (albums[-1]["id"], *ids):
        expect(screen.page.locator(f'[href="#/album/{album_id}"]')).to_be_visible()
    expect(screen.page.locator(".album")).to_have_count(len(albums))


def test_an_albums_name_is_shown_as_text_whatever_it_contains(screen: Screen) -> None:
    name = f"<img src=x onerror=alert(1)> {uuid.uuid4()}"
    screen.open().create_album(name)
    expect(screen.page.get_by_role("heading", name=name, level=1)).to_be_visible()
    assert screen.page.locator("h1 img").count() == 0


def test_a_long_name_from_right_to_left_is_cut_at_its_own_end(screen: Screen) -> None:
    screen.open().create_album("יום הולדת באגם " * 15)
    screen.page.get_by_role("link", name="All albums").click()
    name = screen.page.locator(".album-name", has_text="באגם").first
    expect(name).to_be_visible()
    # The box of the first word, which a name that is cut at its left would have outside.
    script = """(name) => {
      const range = document.createRange();
      range.setStart(name.firstChild, 0);
      range.setEnd(name.firstChild, 3);
      const [word, box] = [range.getBoundingClientRect(), name.getBoundingClientRect()];
      return word.left >= box.left && word.right <= box.right;
    }"""
    assert name.evaluate(script)


def test_an_album_shows_its_newest_pictures_on_the_first_page(screen: Screen, album: AlbumClient) -> None:
    name = f"Covered {uuid.uuid4()}"
    album.ready(album.create(name), picture("JPEG", 320, 240), "a.jpg")
    screen.open()
    card = screen.page.get_by_role("listitem").filter(has_text=name)
    expect(card.locator(".cover img")).to_have_count(1)
    expect(card).to_contain_text("1 picture")


def test_two_albums_keep_pictures_of_the_same_name_apart(screen: Screen) -> None:
    first = screen.open().create_album("First")
    screen.choose({"same.png": picture("PNG", 64, 48)})
    screen.expect_shows("same.png", "server")
    screen.open()
    second = screen.create_album("Second")
    screen.choose({"same.png": picture("PNG", 48, 64)})
    screen.expect_shows("same.png", "server")

    widths = {}
    for album_id in (first, second):
        screen.open_album(album_id)
        screen.expect_shows("same.png", "server")
        widths[album_id] = screen.tile("same.png").locator("img").evaluate("(image) => image.naturalWidth")
    assert widths == {first: 64, second: 48}


def test_a_cover_keeps_its_pictures_until_new_ones_can_take_their_place(
    open_screen: OpenScreen, start_stack: StartStack
) -> None:
    stack = start_stack()
    with stack.client() as client:
        album_id = client.create("Growing")
        client.ready(album_id, picture("JPEG", 320, 240))
        for worker in ("decoder-0", "thumbnailer-0"):
            stack.processes[worker].stop()
        screen = open_screen(stack=stack).open()
        cover = screen.page.locator(".cover img")
        expect(cover).to_have_count(1)

        with screen.page.expect_response(lambda answer: answer.text().count('"queued"') == 6):
            for _ in range(6):
                client.upload(album_id, picture("JPEG", 320, 240))

    screen.page.evaluate("new Promise(requestAnimationFrame)")
    expect(cover).to_have_count(1)


def test_a_cover_is_right_again_after_one_picture_took_the_place_of_another_unseen(
    screen: Screen, album: AlbumClient
) -> None:
    album_id = album.create("Exchanged")
    old = album.ready(album_id, picture("PNG", 64, 48))
    screen.open()
    shown = screen.page.locator(".album", has=screen.page.get_by_text("Exchanged")).locator(".cover img")
    expect(shown).to_have_attribute("src", re.compile(old["image_id"]))
    screen.turn_away()
    album.post("/album/image/delete", album_id=album_id, image_id=old["image_id"])
    new = album.ready(album_id, picture("PNG", 48, 64))

    screen.turn_away(False)

    expect(shown).to_have_attribute("src", re.compile(new["image_id"]))
