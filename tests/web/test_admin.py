"""The operators' page: how it stands, and setting right what has failed, under the page's strict policy."""

from __future__ import annotations

import uuid

import pytest
from playwright.sync_api import expect

from libs.shared.events import utc_now
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.stack import Stack
from tests.web.conftest import OpenScreen
from tests.web.screen import Screen

CORRUPT = picture("PNG", 64, 48)[:200]


@pytest.fixture
def page(open_screen: OpenScreen, own_stack: Stack) -> Screen:
    return open_screen(own_stack, reduced_motion="reduce").open("admin")


def test_an_operator_sees_the_stages_and_why_pictures_failed_and_tries_them_again(
    page: Screen, own_album: AlbumClient
) -> None:
    job = own_album.settled(own_album.upload(own_album.create(), CORRUPT))
    row = page.page.get_by_role("row", name=job["code"])

    expect(page.page.get_by_role("row", name="decoder")).to_be_visible()
    row.get_by_role("button", name="Show").click()
    expect(page.page.get_by_text(job["image_id"])).to_be_visible()
    assert page.serious_problems() == []
    row.get_by_role("button", name="Retry all").click()

    page.expect_notice("being queued again")
    page.until(lambda: len(own_album.job(job["job_id"])["timeline"]) > 2, "the job is tried again")


def test_a_job_that_is_being_tried_again_goes_from_the_list_it_was_chosen_from(
    page: Screen, own_album: AlbumClient, own_stack: Stack
) -> None:
    job = own_album.settled(own_album.upload(own_album.create(), CORRUPT))
    page.page.get_by_role("row", name=job["code"]).get_by_role("button", name="Show").click()
    listed = page.page.get_by_role("row", name=job["image_id"])
    decoder = own_stack.processes["decoder-0"]
    decoder.pause()

    listed.get_by_role("button", name="Retry").click()

    expect(listed).to_be_hidden()
    decoder.resume()
    expect(listed).to_contain_text("2")


def test_who_presses_a_button_by_key_stays_in_its_panel(page: Screen, own_album: AlbumClient) -> None:
    own_album.settled(own_album.upload(own_album.create(), CORRUPT))
    panel = page.page.get_by_role("group", name="Failed jobs")
    panel.get_by_role("button", name="Retry all").focus()

    own_album.settled(own_album.upload(own_album.create(), CORRUPT))

    expect(panel).to_be_focused()


def test_an_operator_sees_the_subscribers_and_how_far_behind_they_are(page: Screen, own_stack: Stack) -> None:
    audit = own_stack.start("audit")
    row = page.page.get_by_role("row", name="audit")
    expect(row).to_contain_text("01")

    audit.stop()

    expect(row).to_contain_text("none")


def test_an_operator_searches_the_store_for_orphans(page: Screen) -> None:
    page.page.get_by_role("button", name="Search for orphans").click()

    page.expect_notice("Nothing is changed")
    expect(page.page.get_by_role("row", name="scan")).to_contain_text("nothing")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious_on_a_phone(open_screen: OpenScreen, own_stack: Stack, colours: str) -> None:
    screen = open_screen(
        own_stack, color_scheme=colours, viewport={"width": 390, "height": 800}, reduced_motion="reduce"
    )
    screen.open("admin")

    expect(screen.page.get_by_role("row", name="decoder")).to_be_visible()
    assert screen.serious_problems() == []
    assert screen.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_dead_letter_is_dropped_only_after_a_yes(page: Screen, own_stack: Stack) -> None:
    letters = own_stack.database["dead_letters"]
    letter = {"_id": str(uuid.uuid4()), "queue": "album.decoder.v1", "stage": "decoder", "code": "rejected"}
    letters.insert_one({**letter, "at": utc_now(), "envelope": {}})
    drop = page.page.get_by_role("button", name="Drop", exact=True)

    drop.click()
    page.confirm("Cancel")
    drop.click()
    assert letters.count_documents({}) == 1
    page.confirm("Drop")

    page.expect_notice("1 letter dropped.")
    assert letters.count_documents({}) == 0


def test_what_goes_wrong_again_and_again_is_told_once(page: Screen) -> None:
    answer = {"status": "fail", "code": "unavailable", "message": "the database does not answer"}
    page.page.route("**/admin/status", lambda route: route.fulfill(status=503, json=answer))
    for _ in range(3):
        with page.page.expect_response("**/admin/status"):
            pass

    expect(page.page.locator(".notice", has_text="The database does not answer.")).to_have_count(1)
