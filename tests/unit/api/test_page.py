"""The web page's files, as browsers keep them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import httpx
import pytest

from services.api.page import Page

pytestmark = pytest.mark.anyio

BUILT = 1_700_000_000
"""As in images that are built with one time for all files, those of the next release too."""


@pytest.fixture
def web(tmp_path: Path) -> Path:
    (tmp_path / "assets/scripts").mkdir(parents=True)
    (tmp_path / "admin").mkdir()
    (tmp_path / "index.html").write_text('<script src="assets/scripts/main.js"></script>')
    (tmp_path / "admin/index.html").write_text('<script src="../assets/scripts/main.js"></script>')
    write(tmp_path, "const TRIES = 4;")
    return tmp_path


def write(web: Path, script: str) -> None:
    file = web / "assets/scripts/main.js"
    file.write_text(script)
    os.utime(file, (BUILT, BUILT))


async def get(page: Page, path: str, etag: str = "") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://album.example") as client:
        return await client.get(path, headers={"if-none-match": etag} if etag else {})


async def script_of(page: Page, document: str = "/") -> str:
    """The address at which a document asks for the script."""
    found = re.search('src="([^"]+)"', (await get(page, document)).text)
    assert found is not None
    return str(httpx.URL(f"http://album.example{document}").join(found[1]).path)


async def test_a_script_is_kept_for_good_under_an_address_that_the_next_release_does_not_use(web: Path) -> None:
    page = Page(web)
    address = await script_of(page)
    kept = await get(page, address)
    write(web, "const TRIES = 5;")

    assert await script_of(page, "/admin/") == address
    assert (kept.text, kept.headers["cache-control"]) == ("const TRIES = 4;", "public, max-age=31536000, immutable")
    assert await script_of(Page(web)) != address
    assert await script_of(Page(web), "/admin/") == await script_of(Page(web))


async def test_a_file_of_another_name_makes_another_release(web: Path) -> None:
    before = await script_of(Page(web))
    (web / "assets/scripts/other.js").touch()

    assert await script_of(Page(web)) != before


async def test_a_script_under_the_address_of_another_release_is_asked_about_each_time(web: Path) -> None:
    """While replicas are replaced one answers with a document, and another one with its scripts."""
    address = await script_of(Page(web))
    write(web, "const TRIES = 5;")
    page = Page(web)

    first = await get(page, address)
    again = await get(page, address, first.headers["etag"])
    write(web, "const TRIES = 6;")
    changed = await get(Page(web), address, first.headers["etag"])

    assert (first.text, first.headers["cache-control"]) == ("const TRIES = 5;", "no-cache")
    assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")
    assert (changed.status_code, changed.text) == (200, "const TRIES = 6;")
