"""The page and the docs below a prefix, through nginx with TLS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.support.nginx import running_nginx
from tests.support.pictures import picture
from tests.support.stack import StartStack
from tests.web.conftest import OpenScreen


def test_the_page_and_the_docs_work_below_a_prefix(
    start_stack: StartStack, open_screen: OpenScreen, tmp_path: Path
) -> None:
    stack = start_stack(ALBUM_ROOT_PATH="/photos")
    with running_nginx(tmp_path, stack.url, "/photos") as edge:
        screen = open_screen(stack=replace(stack, url=edge.url), ignore_https_errors=True)

        screen.open().create_album("Summer")
        screen.choose({"a.png": picture("PNG", 320, 240)})
        screen.expect_shows("a.png", "server")

        screen.page.goto(f"{edge.url}/docs")
        screen.page.wait_for_selector(".opblock")
        assert screen.page.locator(".servers option").all_inner_texts() == ["/photos"]
