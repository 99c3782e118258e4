"""The web page's files, as browsers keep them."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest

from services.api.page import Page

pytestmark = pytest.mark.anyio


async def get(page: Page, path: str, etag: str = "") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://album.example") as client:
        return await client.get(path, headers={"if-none-match": etag} if etag else {})


async def test_a_script_that_has_changed_is_sent_though_length_and_time_are_the_same(tmp_path: Path) -> None:
    """As in images that are built with one time for all files, those of the next release too."""
    script, page = tmp_path / "main.js", Page(directory=tmp_path)
    script.write_text("const TRIES = 4;")
    os.utime(script, (1_700_000_000, 1_700_000_000))
    first = await get(page, "/main.js")
    unchanged = await get(page, "/main.js", first.headers["etag"])

    script.write_text("const TRIES = 5;")
    os.utime(script, (1_700_000_000, 1_700_000_000))
    changed = await get(page, "/main.js", first.headers["etag"])

    assert (unchanged.status_code, unchanged.headers["cache-control"]) == (304, "no-cache")
    assert (changed.status_code, changed.text) == (200, "const TRIES = 5;")
