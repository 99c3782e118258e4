"""A server that cannot take a file yet is asked again, less and less often."""

from __future__ import annotations

from itertools import pairwise

from playwright.sync_api import Request, Route

from tests.support.pictures import picture
from tests.web.screen import Screen


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
