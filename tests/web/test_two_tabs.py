"""Several tabs of one browser, which share six connections to a server."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.pictures import picture
from tests.web.screen import UPLOADS_AT_ONCE, Screen

WITHOUT_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"


def open_tab(beside: Screen, name: str) -> Screen:
    """Another tab, with an album of its own and its uploads held."""
    tab = Screen(beside.page.context.new_page(), beside.url).open()
    tab.create_album(name)
    tab.hold_uploads()
    return tab


def choose(tab: Screen, *names: str) -> None:
    """Choose files, and wait until they are in the tray: what is sent at once has been by then."""
    tab.choose({name: picture("PNG", 64, 48) for name in names})
    for name in names:
        expect(tab.row(name)).to_be_visible()


def test_tabs_share_the_uploads_that_are_under_way_at_a_time(screen: Screen) -> None:
    first, second = open_tab(screen, "In the first tab"), open_tab(screen, "In the second tab")
    choose(first, *(f"{n}.png" for n in range(UPLOADS_AT_ONCE + 1)))
    first.until(lambda: len(first.held) == UPLOADS_AT_ONCE, "the first tab's uploads are under way")

    choose(second, "a.png", "b.png", "c.png")
    assert second.held == []
    second.expect_stage("b.png", "waiting")
    second.tile("b.png").hover()
    second.tile("b.png").get_by_role("button", name="Cancel the upload of b.png").click()
    expect(second.tile("b.png")).to_have_count(0)
    first.held.pop().continue_()
    second.until(lambda: second.held, "the second tab has its turn")
    assert b"a.png" in (second.held[0].request.post_data_buffer or b"")
    first.release_uploads()
    second.release_uploads()

    second.expect_shows("c.png", "server")
    for n in range(UPLOADS_AT_ONCE + 1):
        first.expect_shows(f"{n}.png", "server")


def test_a_tab_that_is_closed_leaves_its_share_to_the_others(screen: Screen) -> None:
    first, second = open_tab(screen, "Closed"), open_tab(screen, "Left open")
    choose(first, *(f"{n}.png" for n in range(UPLOADS_AT_ONCE)))
    first.until(lambda: len(first.held) == UPLOADS_AT_ONCE, "the first tab's uploads are under way")
    choose(second, "a.png")
    assert second.held == []

    first.page.close()

    second.until(lambda: second.held, "the second tab has its turn")


@pytest.mark.parametrize("script", ["", WITHOUT_LOCKS], ids=["locks", "no locks"])
def test_one_tab_uses_all_there_is_with_locks_and_without(screen: Screen, script: str) -> None:
    screen.page.add_init_script(script)
    tab = screen.open()
    tab.create_album("Alone")
    tab.hold_uploads()

    choose(tab, *(f"{n}.png" for n in range(UPLOADS_AT_ONCE + 2)))

    tab.until(lambda: len(tab.held) == UPLOADS_AT_ONCE, "as many are under way as may be")
    tab.release_uploads()
    for n in range(UPLOADS_AT_ONCE + 2):
        tab.expect_shows(f"{n}.png", "server")
