"""Making an album over a slow or broken connection: once, and without leading anybody away."""

from __future__ import annotations

import uuid

from playwright.sync_api import Route, expect

from tests.support.client import AlbumClient
from tests.web.screen import Screen

CREATE = "**/album/create"


def ask_for(screen: Screen, name: str) -> None:
    """Make an album as a person does, whatever comes of it."""
    screen.page.get_by_role("button", name="New album").first.click()
    screen.page.get_by_label("Name", exact=True).fill(name)
    screen.page.get_by_role("button", name="Create").click()


def names(album: AlbumClient, name: str) -> list[str]:
    """The albums of a name that there are."""
    return [one["name"] for one in album.post("/album/list", limit=200).json()["albums"] if one["name"] == name]


def lose_answer(route: Route) -> None:
    """Let the server do what it is asked, and nobody hear of it."""
    route.fetch()
    route.abort("connectionreset")


def test_an_album_that_is_made_late_leads_nobody_out_of_another(screen: Screen, album: AlbumClient) -> None:
    other, name = f"Opened meanwhile {uuid.uuid4()}", f"Slow {uuid.uuid4()}"
    album.create(other)
    held: list[Route] = []
    screen.page.route(CREATE, lambda route: held.append(route))
    ask_for(screen.open(), name)
    screen.until(lambda: held, "the album is asked for")
    screen.page.get_by_role("link", name=other).click()
    expect(screen.page.get_by_role("heading", name=other, level=1)).to_be_visible()

    held[0].continue_()

    screen.expect_notice(f"{name} was created.")
    expect(screen.page.get_by_role("heading", name=other, level=1)).to_be_visible()


def test_an_album_whose_answer_was_lost_is_made_once_and_opened(screen: Screen, album: AlbumClient) -> None:
    name = f"Made unheard {uuid.uuid4()}"
    screen.page.route(CREATE, lose_answer, times=1)

    ask_for(screen.open(), name)

    expect(screen.page.get_by_role("heading", name=name, level=1)).to_be_visible()
    assert names(album, name) == [name]


def test_a_name_is_not_lost_when_its_album_could_not_be_made_and_no_second_one_is(
    screen: Screen, album: AlbumClient
) -> None:
    name = f"Asked again {uuid.uuid4()}"
    screen.page.route(CREATE, lose_answer)
    ask_for(screen.open(), name)
    dialog = screen.page.locator("dialog.dialog")
    expect(dialog).to_contain_text("The album could not be created. The server cannot be reached.")
    expect(screen.page.get_by_label("Name", exact=True)).to_have_value(name)
    screen.page.unroute(CREATE)

    screen.page.get_by_role("button", name="Create").click()

    expect(screen.page.get_by_role("heading", name=name, level=1)).to_be_visible()
    assert names(album, name) == [name]


def test_a_name_that_was_changed_is_another_albums(screen: Screen, album: AlbumClient) -> None:
    first, second = f"First {uuid.uuid4()}", f"Second {uuid.uuid4()}"
    screen.page.route(CREATE, lose_answer)
    ask_for(screen.open(), first)
    expect(screen.page.locator("dialog.dialog")).to_contain_text("could not be created")
    screen.page.unroute(CREATE)

    screen.page.get_by_label("Name", exact=True).fill(second)
    screen.page.get_by_role("button", name="Create").click()

    expect(screen.page.get_by_role("heading", name=second, level=1)).to_be_visible()
    assert names(album, second) == [second]


def test_an_album_is_made_where_the_browser_makes_no_random_ids(screen: Screen) -> None:
    screen.page.add_init_script("delete Crypto.prototype.randomUUID")

    screen.open().create_album(f"Without https {uuid.uuid4()}")


def test_a_name_of_blanks_is_not_taken_for_a_name(screen: Screen) -> None:
    screen.open().page.get_by_role("button", name="New album").first.click()
    field = screen.page.get_by_label("Name", exact=True)
    field.fill("   ")
    screen.page.get_by_role("button", name="Create").click()
    expect(field).to_be_visible()
    assert field.evaluate("(one) => one.validationMessage") == "A name needs a letter."

    field.fill("Summer")
    screen.page.get_by_role("button", name="Create").click()
    expect(screen.page.get_by_role("heading", name="Summer", level=1)).to_be_visible()
