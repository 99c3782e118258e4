"""Signing out: asked about first where files would be lost, and offered to everybody who is signed in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Dialog, expect

from tests.support.keys import guarded_stack, make_key
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.web.conftest import OpenScreen
from tests.web.screen import Screen


@pytest.fixture(scope="module")
def guarded(_stacks: StartStack) -> Iterator[Stack]:
    with guarded_stack(_stacks) as started:
        yield started


def begin_uploads(screen: Screen, guarded: Stack, name: str) -> list[str]:
    """Sign in as anna and leave six files under way. Returns what the browser itself asks from then on."""
    screen.open().sign_in(make_key(guarded, "anna"))
    screen.create_album(name)
    screen.hold_uploads()
    screen.choose({f"{n}.png": picture("PNG", 64, 48) for n in range(6)})
    screen.until(lambda: screen.held, "the first files are about to be sent")
    screen.page.get_by_role("link", name="All albums").click()
    questions: list[str] = []

    def answer(dialog: Dialog) -> None:
        questions.append(dialog.type)
        dialog.accept()

    screen.page.on("dialog", answer)
    return questions


def test_who_signs_out_with_uploads_under_way_is_asked_first_and_may_stay(
    open_screen: OpenScreen, guarded: Stack
) -> None:
    screen = open_screen(stack=guarded)
    questions = begin_uploads(screen, guarded, "Stayed with")

    screen.page.get_by_role("button", name="Sign out anna").click()
    expect(screen.page.locator("dialog.dialog")).to_contain_text("6 pictures have not been uploaded.")
    screen.confirm("Cancel")

    assert screen.page.request.get(f"{screen.url}/session").status == 200
    screen.release_uploads()
    screen.page.get_by_role("link", name="Stayed with").click()
    for n in range(6):
        screen.expect_shows(f"{n}.png", "server")
    assert questions == []


def test_who_signs_out_all_the_same_is_asked_once_and_nothing_more_is_sent(
    open_screen: OpenScreen, guarded: Stack
) -> None:
    screen = open_screen(stack=guarded)
    questions = begin_uploads(screen, guarded, "Given up")

    screen.page.get_by_role("button", name="Sign out anna").click()
    screen.confirm("Sign out")

    expect(screen.page.get_by_label("Key")).to_be_visible()
    expect(screen.page.locator(".tray")).to_be_hidden()
    assert screen.page.request.get(f"{screen.url}/session").status == 401
    assert questions == []
    screen.until(lambda: all(route.request.failure for route in screen.held), "none of them is sent")


def test_who_cannot_sign_out_keeps_what_is_under_way(open_screen: OpenScreen, guarded: Stack) -> None:
    screen = open_screen(stack=guarded)
    begin_uploads(screen, guarded, "Still signed in")
    screen.page.route("**/session", lambda route: route.abort())

    screen.page.get_by_role("button", name="Sign out anna").click()
    screen.confirm("Sign out")

    screen.expect_notice("The server cannot be reached.")
    screen.release_uploads()
    screen.page.get_by_role("link", name="Still signed in").click()
    for n in range(6):
        screen.expect_shows(f"{n}.png", "server")


@pytest.mark.parametrize("scopes", ["write", "admin"])
def test_who_may_not_look_can_sign_out(open_screen: OpenScreen, guarded: Stack, scopes: str) -> None:
    screen = open_screen(stack=guarded).open()
    screen.sign_in(make_key(guarded, "anna", scopes))
    expect(screen.page.get_by_role("alert")).to_contain_text("not for looking")

    screen.page.get_by_role("button", name="Sign out anna").click()

    screen.until(lambda: screen.page.request.get(f"{screen.url}/session").status == 401, "the session is over")
    expect(screen.page.get_by_role("alert")).to_be_hidden()
    expect(screen.page.get_by_role("button", name="Sign out anna")).to_have_count(0)


def test_an_operator_signs_out_on_the_operators_page(open_screen: OpenScreen, guarded: Stack) -> None:
    screen = open_screen(stack=guarded).open("admin")
    screen.sign_in(make_key(guarded, "olga", "admin"))
    expect(screen.page.get_by_role("row", name="decoder")).to_be_visible()

    screen.page.get_by_role("button", name="Sign out olga").click()

    expect(screen.page.get_by_label("Key")).to_be_visible()
    assert screen.page.request.get(f"{screen.url}/session").status == 401


def test_the_operators_page_of_a_server_without_keys_has_nothing_to_sign_out_of(screen: Screen) -> None:
    screen.open("admin")
    expect(screen.page.get_by_role("row", name="decoder")).to_be_visible()

    expect(screen.page.get_by_role("button", name="Sign out")).to_have_count(0)
