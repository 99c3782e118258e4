"""Takes the screenshots of the web album from a running Album: ``python -m docs.take_screenshots http://127.0.0.1:8000``.

It fills albums with drawn landscapes, looks at the main views in light, dark and on a phone, and deletes them again.
The page's first font has to be there (Debian: ``fonts-inter``).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, Route, sync_playwright

from docs.landscapes import landscape

PLACE = Path(__file__).parent / "screenshots"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
ALBUMS = {"By the lake": 21, "Autumn walks": 5, "First light": 7, "North": 3}
UPLOADED = 4
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
IS_COMPLETE = """() => [...document.querySelectorAll('.tile, .cover')]
  .filter((each) => each.getBoundingClientRect().top < innerHeight)
  .every((each) => each.querySelector('img'))"""

IS_LARGE = """() => [...document.querySelectorAll(".slide[data-step='0'] img")]
  .some((image) => image.naturalWidth > 1000)"""
"""Not the tile's picture, which stands in for the one that is on its way."""


def main(url: str) -> None:
    """Take all screenshots, from the Album at ``url``."""
    PLACE.mkdir(exist_ok=True)
    with httpx.Client(base_url=url, timeout=60) as client, sync_playwright() as playwright:
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        with filled(client) as albums:
            take(browser, url, albums, "light", color_scheme="light", viewport=DESKTOP)
            take(browser, url, albums, "dark", color_scheme="dark", viewport=DESKTOP)
            take(browser, url, albums, "phone", viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)
        browser.close()


@contextmanager
def filled(client: httpx.Client) -> Iterator[list[str]]:
    """Albums with pictures, gone at the end."""
    made, number = [], 0
    for name, count in ALBUMS.items():
        made.append(post(client, "/album/create", album_name=name)["album_snapshot"]["id"])
        for _ in range(count):
            number += 1
            files = {"image": (f"IMG_{4000 + number}.jpg", landscape(number))}
            answer = client.post("/album/image/upload", data={"album_id": made[-1]}, files=files).json()
            post(client, "/job/get", job_id=answer["job_id"], wait_seconds=30)
    try:
        yield made
    finally:
        for album_id in made:
            post(client, "/album/delete", album_id=album_id)


def post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    """The answer to a POST of JSON."""
    answer: dict[str, Any] = client.post(path, json=body).raise_for_status().json()
    return answer


def take(browser: Browser, url: str, albums: list[str], look: str, **options: Any) -> None:
    """The main views in one look."""
    context = browser.new_context(reduced_motion="reduce", **options)
    page = context.new_page()
    page.goto(url)
    page.locator(".album").nth(len(albums) - 1).wait_for()
    shoot(page, f"albums-{look}")
    page.goto(f"{url}/#/album/{albums[0]}")
    page.locator(".tile[data-shows=server]").first.wait_for()
    shoot(page, f"album-{look}")
    page.locator(".tile-link").nth(3).click()
    page.wait_for_function(IS_LARGE)
    shoot(page, f"viewer-{look}")
    page.goto(f"{url}/#/album/{albums[-1]}")
    page.locator(".tile[data-shows=server]").first.wait_for()
    shoot_uploads(page, f"uploads-{look}")
    context.close()


def shoot_uploads(page: Page, name: str) -> None:
    """Uploads under way, held back for the photograph and then given up."""
    held: list[Route] = []
    page.route("**/album/image/upload", lambda route: held.append(route))
    files = [
        {"name": f"IMG_{5000 + n}.jpg", "mimeType": "image/jpeg", "buffer": landscape(60 + n)} for n in range(UPLOADED)
    ]
    files.append({"name": "panorama.png", "mimeType": "image/png", "buffer": too_wide()})
    page.locator("[data-chooser=files]").set_input_files(files)  # type: ignore[arg-type]
    page.locator(".tile[data-shows=local]").nth(UPLOADED - 1).wait_for()
    shoot(page, name)
    for route in held:
        route.abort()


def too_wide() -> bytes:
    """The first bytes of a PNG of 4000 x 1000 pixels, enough to be refused."""
    size = (4000).to_bytes(4, "big") + (1000).to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + size + b"\x08\x02" + bytes(9)


def shoot(page: Page, name: str) -> None:
    """Take one picture, once all that is on screen is there."""
    page.wait_for_function(IS_COMPLETE)
    page.evaluate("Promise.all([...document.images].map((image) => image.decode().catch(() => {})))")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.screenshot(path=PLACE / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
