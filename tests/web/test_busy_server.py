"""A server that cannot take a file yet, or cannot be reached, is asked again, less and less often."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from playwright.sync_api import Request, Route, expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.web.screen import UPLOADS_AT_ONCE, Screen


def test_a_file_that_the_server_still_holds_is_sent_again_after_longer_and_longer_pauses(screen: Screen) -> None:
    screen.open().create_album("After a crash")
    answer = {"status": "fail", "code": "upload-in-progress", "message": "this upload is under way"}
    asked: list[Request] = []

    def refuse(route: Route) -> None:
        asked.append(route.request)
        route.fulfill(status=409, json=answer, headers={"retry-after": "1"})

    screen.page.route("**/album/image/upload", refuse)
    screen.page.clock.install()
    begun = screen.page.evaluate("performance.now()")
    screen.choose({"a.png": picture("PNG", 64, 48)})
    moments: list[float] = []
    for number in range(7):
        while len(asked) <= number:
            screen.page.clock.run_for(500)
        moments.append(screen.page.evaluate("performance.now()") - begun)

    pauses = [(later - earlier) / 1000 for earlier, later in pairwise(moments)]
    assert all(least - 0.6 < pause < least + 1.5 for least, pause in zip((1, 2, 4, 8, 15, 15), pauses, strict=True))


def test_a_server_that_cannot_be_reached_is_asked_four_times_after_longer_and_longer_pauses(screen: Screen) -> None:
    screen.open().create_album("Out of reach")
    begun_at: list[float] = []

    def break_off(route: Route) -> None:
        begun_at.append(screen.page.evaluate("performance.now()"))
        route.abort()

    screen.page.clock.install()
    screen.page.route("**/album/image/upload", break_off)
    screen.choose({"a.png": picture("PNG", 64, 48)})
    screen.fly_until(screen.page.locator(".tile[data-stage=stopped]").count, "it is given up")

    pauses = [(later - earlier) / 1000 for earlier, later in pairwise(begun_at)]
    assert all(least - 0.1 < pause < least + 0.9 for least, pause in zip((1, 2, 4), pauses, strict=True)), pauses


def test_files_that_are_cancelled_between_two_tries_leave_their_place_to_others_at_once(screen: Screen) -> None:
    screen.open().create_album("Make room")
    answer = {"status": "fail", "code": "busy", "message": "not now"}
    refused: list[Route] = []

    def refuse(route: Route) -> None:
        refused.append(route)
        route.fulfill(status=503, json=answer, headers={"retry-after": "600"})

    screen.page.route("**/album/image/upload", refuse, times=UPLOADS_AT_ONCE)
    screen.choose({f"{n}.png": picture("PNG", 64, 48) for n in range(UPLOADS_AT_ONCE + 1)})
    screen.until(lambda: len(refused) == UPLOADS_AT_ONCE, "all places are taken")

    for n in range(UPLOADS_AT_ONCE):
        screen.row(f"{n}.png").get_by_role("button", name=f"Cancel {n}.png").click()

    screen.expect_stage(f"{UPLOADS_AT_ONCE}.png", "ready")


@pytest.mark.parametrize(
    ("status", "code"), [(503, "busy"), (503, "unavailable"), (429, "rate-limited"), (409, "upload-in-progress")]
)
def test_a_file_that_is_turned_away_without_a_word_of_when_is_sent_again_by_itself(
    screen: Screen, status: int, code: str
) -> None:
    screen.open().create_album("Turned away")
    answer = {"status": "fail", "code": code, "message": "not now"}
    screen.page.route("**/album/image/upload", lambda route: route.fulfill(status=status, json=answer), times=1)

    screen.choose({"a.png": picture("PNG", 64, 48)})

    screen.expect_shows("a.png", "server")


@pytest.mark.parametrize(("status", "code"), [(503, "busy"), (409, "upload-in-progress")])
def test_a_file_that_is_cancelled_between_two_tries_is_not_sent_again(screen: Screen, status: int, code: str) -> None:
    screen.open().create_album("Second thoughts")
    answer = {"status": "fail", "code": code, "message": "not now"}
    asked: list[Request] = []

    def refuse(route: Route) -> None:
        asked.append(route.request)
        route.fulfill(status=status, json=answer, headers={"retry-after": "10"})

    screen.page.route("**/album/image/upload", refuse)
    screen.page.clock.install()
    with screen.page.expect_event("requestfinished", lambda request: request.url.endswith("/upload")):
        screen.choose({"a.png": picture("PNG", 64, 48)})

    screen.row("a.png").get_by_role("button", name="Cancel a.png").click()
    expect(screen.tile("a.png")).to_have_count(0)
    for _ in range(3):
        screen.page.clock.run_for(10_000)

    assert len(asked) == 1


def test_a_file_that_was_stored_though_the_answer_was_an_error_is_not_stored_twice_when_it_is_sent_again(
    screen: Screen, album: AlbumClient
) -> None:
    album_id = screen.open().create_album("Answered wrongly")

    def break_answer(route: Route) -> None:
        route.fetch()
        route.fulfill(status=500, json={"status": "fail", "code": "internal", "message": "something went wrong"})

    screen.page.route("**/album/image/upload", break_answer, times=1)
    screen.choose({"a.png": picture("PNG", 64, 48)})
    screen.page.get_by_role("button", name="Retry all failed").click()

    expect(screen.row("a.png")).to_contain_text("Ready")
    screen.expect_shows("a.png", "server")
    assert album.post("/album/get", album_id=album_id).json()["album_snapshot"]["content_count"] == 1


def test_what_was_given_up_without_a_connection_goes_on_when_there_is_one(screen: Screen) -> None:
    screen.open().create_album("Through a tunnel")
    screen.page.clock.install()
    screen.page.context.set_offline(True)
    screen.choose({"a.png": picture("PNG", 64, 48)})
    stopped = screen.page.locator(".tile[data-stage=stopped]")
    screen.fly_until(stopped.count, "it is given up")

    screen.page.context.set_offline(False)

    screen.expect_shows("a.png", "server")


def test_what_was_given_up_while_the_server_was_away_goes_on_when_it_is_back(screen: Screen) -> None:
    screen.open().create_album("Over a restart")
    screen.page.clock.install()
    away = re.compile("/events|/album/(get|images|image/upload)")
    screen.page.route(away, lambda route: route.abort())
    screen.turn_away()
    screen.turn_away(False)
    notice = screen.page.locator(".notice:visible", has_text="The connection to the server is away.")
    screen.fly_until(notice.count, "the page says that the server is away")
    screen.choose({"a.png": picture("PNG", 64, 48)})
    screen.fly_until(screen.page.locator(".tile[data-stage=stopped]").count, "it is given up")

    screen.page.unroute(away)

    screen.fly_until(screen.page.locator(".tile[data-shows=server]").count, "it is there after all")
