"""Signing in: a key once, then pictures and events come by cookie, until the key or the person ends it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Dialog, Route, expect

from tests.support.client import AlbumClient
from tests.support.keys import guarded_stack, make_key, with_key
from tests.support.operator import album as run_album
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually
from tests.web.conftest import OpenScreen
from tests.web.screen import UPLOADS_AT_ONCE, Screen


@pytest.fixture(scope="module")
def guarded(_stacks: StartStack) -> Iterator[Stack]:
    with guarded_stack(_stacks) as started:
        yield started


@pytest.fixture(scope="module")
def anna(guarded: Stack) -> Iterator[AlbumClient]:
    with with_key(guarded, make_key(guarded, "anna")) as client:
        yield client


def drag(screen: Screen, kind: str) -> None:
    """Drag a file over the page, or drop it."""
    script = """(kind) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['picture'], 'a.png'));
      document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    }"""
    screen.page.evaluate(script, kind)


def cookies(screen: Screen) -> list[Any]:
    return screen.page.context.cookies()


def test_nobody_needs_to_sign_in_while_there_are_no_keys(screen: Screen) -> None:
    screen.open()

    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
    assert screen.page.get_by_role("button", name="Sign out").count() == 0


def test_a_link_to_an_album_opens_after_signing_in(open_screen: OpenScreen, guarded: Stack, anna: AlbumClient) -> None:
    album_id = anna.create("Behind a key")
    anna.ready(album_id, picture("PNG", 64, 48), "here.png")
    screen = open_screen(stack=guarded).open(f"#/album/{album_id}")
    expect(screen.page.get_by_label("Key")).to_be_focused()

    screen.sign_in(make_key(guarded, "anna"))

    expect(screen.page.get_by_role("heading", name="Behind a key", level=1)).to_be_visible()
    screen.expect_shows("here.png", "server")


def test_pictures_are_added_and_watched_by_cookie(open_screen: OpenScreen, guarded: Stack, anna: AlbumClient) -> None:
    screen = open_screen(stack=guarded).open()
    screen.sign_in(make_key(guarded, "anna"))
    album_id = screen.create_album("By cookie")

    screen.choose({"mine.png": picture("PNG", 64, 48)})
    screen.expect_shows("mine.png", "server")
    anna.ready(album_id, picture("PNG", 48, 64), "elsewhere.png")

    screen.expect_shows("elsewhere.png", "server")


def test_the_cookie_is_for_the_server_alone(open_screen: OpenScreen, guarded: Stack) -> None:
    screen = open_screen(stack=guarded).open()
    screen.sign_in(make_key(guarded, "anna"))
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()

    [cookie] = cookies(screen)

    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert screen.page.evaluate("document.cookie") == ""
    assert screen.page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_a_wrong_key_is_told_and_another_can_be_tried(open_screen: OpenScreen, guarded: Stack) -> None:
    screen = open_screen(stack=guarded).open()

    screen.sign_in("not a key")
    expect(screen.page.get_by_role("alert")).to_have_text("This key is not valid.")
    screen.sign_in(make_key(guarded, "anna"))

    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()


def test_signing_out_ends_it_at_the_server_too(open_screen: OpenScreen, guarded: Stack) -> None:
    screen = open_screen(stack=guarded).open()
    screen.sign_in(make_key(guarded, "anna"))
    leave = screen.page.get_by_role("button", name="Sign out anna")
    expect(leave).to_be_visible()
    [cookie] = cookies(screen)

    leave.click()

    expect(screen.page.get_by_label("Key")).to_be_visible()
    # The page may know it before the browser has told its other parts.
    eventually(lambda: cookies(screen) == [], what="the browser forgets the cookie")
    with guarded.client() as thief:
        thief.http.cookies.set(cookie["name"], cookie["value"])
        assert thief.post("/album/list").status_code == 401


def test_a_page_whose_key_is_revoked_asks_for_another(
    open_screen: OpenScreen, guarded: Stack, anna: AlbumClient
) -> None:
    album_id = anna.create("For a while")
    key = make_key(guarded, "anna")
    screen = open_screen(stack=guarded).open()
    screen.sign_in(key)
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
    screen.open_album(album_id)

    run_album(guarded.environment, "keys", "revoke", key.split("_")[1])
    with with_key(guarded, key) as revoked:
        screen.until(lambda: revoked.post("/album/list").status_code == 401, "the key is refused")
    anna.upload(album_id, picture("PNG", 8, 8))  # its event ends the stream, and the page asks

    expect(screen.page.get_by_label("Key")).to_be_visible()


def lose_key_while_uploading(screen: Screen, guarded: Stack, more: int = 0) -> None:
    """Sign in as anna, choose a file in a new album, or more of them, and lose the key before it is sent."""
    key = make_key(guarded, "anna")
    screen.open().sign_in(key)
    screen.create_album("Half sent")
    screen.hold_uploads()
    content = picture("PNG", 64, 48)
    screen.choose({"mine.png": content} | {f"{number}.png": content for number in range(more)})
    screen.until(lambda: screen.held, "the file is about to be sent")
    run_album(guarded.environment, "keys", "revoke", key.split("_")[1])
    screen.until(lambda: screen.page.request.get(f"{screen.url}/session").status == 401, "the session is refused")
    screen.release_uploads()
    expect(screen.row("mine.png")).to_have_attribute("data-stage", "stopped")


def test_uploads_go_on_when_their_owner_signs_in_again(open_screen: OpenScreen, guarded: Stack) -> None:
    screen = open_screen(stack=guarded)
    lose_key_while_uploading(screen, guarded)
    expect(screen.row("mine.png")).to_contain_text("You have to sign in again.")

    screen.sign_in(make_key(guarded, "anna"))

    expect(screen.page.get_by_role("heading", name="Half sent", level=1)).to_be_visible()
    screen.expect_shows("mine.png", "server")


def test_a_question_ends_when_a_key_is_asked_for(open_screen: OpenScreen, guarded: Stack) -> None:
    screen = open_screen(stack=guarded).open()
    screen.sign_in(make_key(guarded, "anna"))
    screen.page.get_by_role("button", name="New album").first.click()
    expect(screen.page.get_by_label("Name", exact=True)).to_be_visible()

    screen.page.context.clear_cookies()
    screen.page.evaluate("dispatchEvent(new Event('unauthorized'))")

    expect(screen.page.get_by_label("Name", exact=True)).to_have_count(0)
    expect(screen.page.get_by_label("Key")).to_be_focused()


def test_what_waits_behind_a_lost_key_is_not_sent_in_vain_and_goes_on_too(
    open_screen: OpenScreen, guarded: Stack
) -> None:
    screen = open_screen(stack=guarded)
    refused: list[str] = []
    screen.page.on("response", lambda answer: refused.append(answer.url) if answer.status == 401 else None)
    lose_key_while_uploading(screen, guarded, more=30)

    screen.sign_in(make_key(guarded, "anna"))

    expect(screen.page.get_by_role("heading", name="Half sent", level=1)).to_be_visible()
    expect(screen.page.locator(".page-detail")).to_have_text("31 pictures")
    screen.until(lambda: guarded.database["images"].count_documents({"name": "29.png"}), "the last one has arrived")
    assert 1 <= len([url for url in refused if url.endswith("/upload")]) <= UPLOADS_AT_ONCE


def test_chosen_files_are_not_lost_to_another_owner_without_asking(open_screen: OpenScreen, guarded: Stack) -> None:
    screen = open_screen(stack=guarded)
    lose_key_while_uploading(screen, guarded)
    questions: list[str] = []

    def stay(dialog: Dialog) -> None:
        questions.append(dialog.type)
        dialog.dismiss()

    screen.page.on("dialog", stay)
    screen.sign_in(make_key(guarded, "bob"))
    screen.until(lambda: questions == ["beforeunload"], "leaving the files is asked about")
    screen.sign_in(make_key(guarded, "anna"))

    screen.expect_shows("mine.png", "server")


def test_the_operators_page_asks_for_another_key_when_the_one_given_is_not_good_enough(
    open_screen: OpenScreen, guarded: Stack
) -> None:
    screen = open_screen(stack=guarded).open("admin")

    with screen.page.expect_response(lambda answer: answer.status == 403):
        expect(screen.page.get_by_text("This page needs a key with admin rights.")).to_be_visible()
        screen.sign_in(make_key(guarded, "anna", "read,write"))
    expect(screen.page.get_by_role("alert")).to_have_text("The key that you signed in with has no admin rights.")
    expect(screen.page.get_by_label("Key")).to_have_value("")
    expect(screen.page.get_by_role("row", name="decoder")).to_have_count(0)
    screen.sign_in(make_key(guarded, "anna", "admin"))

    expect(screen.page.get_by_role("row", name="decoder")).to_be_visible()


@pytest.mark.parametrize("scopes", ["write", "admin"])
def test_a_key_that_is_not_for_looking_is_told_apart_from_a_server_that_is_away(
    open_screen: OpenScreen, guarded: Stack, anna: AlbumClient, scopes: str
) -> None:
    album_id = anna.create("Not to be looked at")
    screen = open_screen(stack=guarded).open(f"#/album/{album_id}")
    screen.sign_in(make_key(guarded, "anna", scopes))

    expect(screen.page.get_by_role("alert")).to_have_text(
        "The key that you signed in with is not for looking at albums."
    )
    screen.sign_in(make_key(guarded, "anna", "read"))

    expect(screen.page.get_by_role("heading", name="Not to be looked at", level=1)).to_be_visible()


def test_who_may_only_look_is_offered_nothing_else(open_screen: OpenScreen, guarded: Stack, anna: AlbumClient) -> None:
    album_id = anna.create("To look at")
    anna.ready(album_id, picture("PNG", 64, 48), "a.png")
    screen = open_screen(stack=guarded).open()
    screen.sign_in(make_key(guarded, "anna", "read"))
    expect(screen.page.get_by_role("link", name="To look at")).to_be_visible()
    expect(screen.page.get_by_role("button", name="New album")).to_have_count(0)

    screen.open_album(album_id)
    screen.tile("a.png").locator(".tile-link").click()

    expect(screen.page.locator(".viewer")).to_be_visible()
    for name in ("Add pictures", "Delete", "Download the original"):
        expect(screen.page.get_by_label(name, exact=True).locator("visible=true")).to_have_count(0)


def test_who_may_only_look_is_offered_nothing_of_a_failed_picture(
    open_screen: OpenScreen, guarded: Stack, anna: AlbumClient
) -> None:
    album_id = anna.create("Damaged, to look at")
    anna.settled(anna.upload(album_id, picture("PNG", 320, 240)[:900], "bad.png"))
    screen = open_screen(stack=guarded).open(f"#/album/{album_id}")
    screen.sign_in(make_key(guarded, "anna", "read"))

    expect(screen.row("bad.png")).to_contain_text("The picture is")
    for place in (screen.tile("bad.png"), screen.page.locator(".tray")):
        offered = place.get_by_role("button", name=re.compile("Try|Retry|Remove"))
        expect(offered.locator("visible=true")).to_have_count(0)
    screen.tile("bad.png").locator(".tile-link").click()
    screen.page.keyboard.press("Delete")
    screen.page.keyboard.press("d")

    expect(screen.page.locator(".viewer-name")).to_have_text("bad.png")
    expect(screen.page.locator("dialog.dialog")).to_have_count(0)


def test_who_may_only_look_adds_nothing_by_dropping_it(
    open_screen: OpenScreen, guarded: Stack, anna: AlbumClient
) -> None:
    album_id = anna.create("Closed to files")
    screen = open_screen(stack=guarded).open(f"#/album/{album_id}")
    invitation = screen.page.get_by_text("Drop to add to this album")
    drag(screen, "dragenter")
    expect(invitation).to_be_hidden()
    drag(screen, "drop")
    screen.sign_in(make_key(guarded, "anna", "read"))
    expect(screen.page.get_by_role("heading", name="No pictures yet")).to_be_visible()
    expect(screen.page.get_by_text("choose them with the button")).to_be_hidden()

    drag(screen, "dragenter")
    expect(invitation).to_be_hidden()
    drag(screen, "drop")

    screen.expect_notice("Your key is for looking only")
    expect(screen.page.locator(".tray")).to_be_hidden()


def test_nobody_is_invited_to_drop_files_before_it_is_known_who_may(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Not known yet")
    held: list[Route] = []
    screen.page.route("**/session", lambda route: held.append(route))
    with screen.page.expect_request("**/session"):
        screen.page.goto(f"{screen.url}/#/album/{album_id}", wait_until="commit")
    drag(screen, "dragenter")
    expect(screen.page.get_by_text("Drop to add to this album")).to_be_hidden()
    for route in held:
        route.continue_()

    expect(screen.page.get_by_role("heading", name="No pictures yet")).to_be_visible()
    drag(screen, "dragenter")
    expect(screen.page.get_by_text("Drop to add to this album")).to_be_visible()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious_where_one_signs_in(open_screen: OpenScreen, guarded: Stack, colours: str) -> None:
    screen = open_screen(stack=guarded, color_scheme=colours, reduced_motion="reduce").open()
    screen.sign_in("not a key")
    expect(screen.page.get_by_role("alert")).to_be_visible()

    assert screen.serious_problems() == []


def test_who_signs_out_in_one_tab_does_so_in_all_of_them_and_no_file_is_sent_as_somebody_else(
    open_screen: OpenScreen, guarded: Stack
) -> None:
    screen = open_screen(stack=guarded)
    key = make_key(guarded, "anna")
    screen.open().sign_in(key)
    screen.create_album("Hers")
    screen.hold_uploads()
    screen.choose({f"{number}.png": picture("PNG", 64, 48) for number in range(UPLOADS_AT_ONCE + 2)})
    screen.until(lambda: len(screen.held) == UPLOADS_AT_ONCE, "the first files are about to be sent")
    other = Screen(screen.page.context.new_page(), guarded.url).open()
    other.page.get_by_role("button", name="Sign out anna").click()
    other.sign_in(make_key(guarded, "bob"))
    expect(other.page.get_by_role("button", name="Sign out bob")).to_be_visible()

    expect(screen.page.get_by_label("Key")).to_be_visible()
    screen.release_uploads()
    for number in range(UPLOADS_AT_ONCE + 2):
        expect(screen.row(f"{number}.png")).to_contain_text("You have to sign in again.")
    screen.sign_in(key)

    for number in range(UPLOADS_AT_ONCE + 2):
        screen.expect_shows(f"{number}.png", "server")
    expect(other.page.get_by_label("Key")).to_be_visible()


def test_who_signs_in_in_one_tab_does_so_in_all_that_ask_for_a_key(open_screen: OpenScreen, guarded: Stack) -> None:
    screen = open_screen(stack=guarded).open()
    key = make_key(guarded, "anna")
    other = Screen(screen.page.context.new_page(), guarded.url).open()
    other.sign_in(key)
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
    screen.create_album("Hers")
    screen.page.context.clear_cookies()
    for tab in (other, screen):
        tab.page.evaluate("dispatchEvent(new Event('unauthorized'))")
    expect(screen.page.get_by_label("Key")).to_be_visible()

    other.sign_in(key)

    expect(screen.page.get_by_role("heading", name="Hers")).to_be_visible()
