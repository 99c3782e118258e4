"""What a person sees and does in the web album, in the words of tests."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

PATIENCE_MS = 30_000
UPLOADS_AT_ONCE = 4
"""Files that the page sends at the same time, in all its tabs, as `limits.js` says."""
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Comes true once the page has drawn what it was told before."""
SERVER_SAYS = re.compile(r"Failed to load resource|ERR_")

WATCH = """(name) => {
  const found = (window.watched = { frames: 0, empty: 0, boxes: [] });
  let hasBegun = false;
  const look = () => {
    const links = [...document.querySelectorAll('.tile-link')];
    const link = links.find((one) => one.getAttribute('aria-label').startsWith(name));
    const image = link && [...link.querySelectorAll('img')].find((one) => one.complete && one.naturalWidth > 0);
    hasBegun ||= Boolean(image);
    if (hasBegun) {
      found.frames += 1;
      if (!image) found.empty += 1;
      const { x, y, width, height } = link.closest('.tile').getBoundingClientRect();
      const box = [x, y, width, height].join();
      if (found.boxes.at(-1) !== box) found.boxes.push(box);
    }
    requestAnimationFrame(look);
  };
  look();
}"""


class Screen:
    """One window with the web album.

    Attributes:
        page: Playwright's page.
        errors: what the page's own script did wrong, as the console tells it.
        foreign_requests: addresses outside the server that the page asked for.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self.foreign_requests: list[str] = []
        self.held: list[Route] = []
        self.is_holding = False
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("request", lambda request: self._note_request(request.url))

    def _note(self, kind: str, text: str) -> None:
        # A refused or broken request is the server's or the test's doing.
        if kind == "error" and not SERVER_SAYS.search(text):
            self.errors.append(text)

    def _note_request(self, url: str) -> None:
        if not url.startswith((self.url, "blob:", "data:")):
            self.foreign_requests.append(url)

    def open(self, link: str = "") -> Screen:
        """Go to the first page, or to a deep link such as ``#/album/<id>``."""
        self.page.goto(f"{self.url}/{link}")
        return self

    def open_album(self, album_id: str) -> Screen:
        """Go to an album and wait until its events come and its pictures are listed."""
        self.open(f"#/album/{album_id}")
        expect(self.page.locator(".page-detail")).not_to_be_empty(timeout=PATIENCE_MS)
        return self

    def sign_in(self, key: str) -> None:
        """Give a key where one is asked for."""
        self.page.get_by_label("Key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()

    def create_album(self, name: str) -> str:
        """Create an album as a person does; its id."""
        self.page.get_by_role("button", name="New album").first.click()
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.get_by_role("button", name="Create").click()
        expect(self.page.get_by_role("heading", name=name, level=1)).to_be_visible(timeout=PATIENCE_MS)
        expect(self.page.locator(".page-detail")).not_to_be_empty(timeout=PATIENCE_MS)
        return self.page.url.rpartition("/")[2]

    def choose(self, files: Mapping[str, bytes]) -> None:
        """Choose files with the button's dialog."""
        payloads: list[FilePayload] = [
            {"name": name, "mimeType": "application/octet-stream", "buffer": content} for name, content in files.items()
        ]
        self.page.locator("[data-chooser=files]").set_input_files(payloads)

    def tile(self, name: str) -> Locator:
        """The tile of a picture."""
        link = self.page.locator(f'.tile-link[aria-label^="{name}"]')
        return self.page.locator(".tile", has=link)

    def row(self, name: str) -> Locator:
        """The line of a file in the tray of uploads."""
        return self.page.locator(".tray-list > .tray-row", has=self.page.get_by_text(name, exact=True))

    def expect_stage(self, name: str, stage: str) -> None:
        """Wait until a tile is in a stage."""
        expect(self.tile(name)).to_have_attribute("data-stage", stage, timeout=PATIENCE_MS)

    def expect_shows(self, name: str, source: str) -> None:
        """Wait until a tile shows the ``local`` file or the ``server``'s picture."""
        expect(self.tile(name)).to_have_attribute("data-shows", source, timeout=PATIENCE_MS)

    def expect_notice(self, text: str) -> None:
        """Wait for a message at the top of the page."""
        expect(self.page.locator(".notice", has_text=text)).to_be_visible(timeout=PATIENCE_MS)

    def hold_uploads(self) -> None:
        """Hold uploads back: none reaches the server until `release_uploads`."""
        self.is_holding = True

        def hold(route: Route) -> None:
            if self.is_holding:
                self.held.append(route)
            else:
                route.continue_()

        self.page.route("**/album/image/upload", hold)

    def release_uploads(self) -> None:
        """Let the held uploads go, and all later ones."""
        self.is_holding = False
        for route in self.held:
            route.continue_()
        self.held.clear()

    def turn_away(self, is_hidden: bool = True) -> None:
        """Look at another tab, or with False at this one again: Playwright itself keeps every page visible."""
        script = """(isHidden) => {
          Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true });
          document.dispatchEvent(new Event('visibilitychange'));
        }"""
        self.page.evaluate(script, is_hidden)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something is so, letting the page and what is hooked into it go on meanwhile."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not condition():
            assert time.monotonic() < deadline, f"never so: {what}"
            self.page.evaluate("new Promise(requestAnimationFrame)")

    def fly_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something is so while time flies in the page, whose clock the test has installed.

        For what the page waits for by itself before it tries again: seconds, which nobody need spend.
        """

        def is_so() -> bool:
            if condition():
                return True
            self.page.clock.run_for(500)
            return False

        self.until(is_so, what)

    def watch_tile(self, name: str) -> None:
        """Look at a tile in every frame from now on, for `watched`."""
        self.page.evaluate(WATCH, name)

    def watched(self) -> dict[str, Any]:
        """How many ``frames`` were seen since a picture was first there, ``empty`` ones, and the tile's ``boxes``."""
        found: dict[str, Any] = self.page.evaluate("window.watched")
        return found

    def confirm(self, name: str) -> None:
        """Say yes to the question that is asked."""
        self.page.locator("dialog.dialog").get_by_role("button", name=name).click()

    def serious_problems(self) -> list[str]:
        """What axe-core finds serious or critical on the page as it stands."""
        # A fade under way would be measured at a contrast that nobody reads at.
        self.page.evaluate("Promise.allSettled(document.getAnimations().map((each) => each.finished))")
        return [
            f"{problem['id']}: {node['html']}"
            for problem in Axe().run(self.page).response["violations"]
            if problem["impact"] in ("serious", "critical")
            for node in problem["nodes"]
        ]

    def is_on_screen(self, locator: Locator) -> bool:
        """Whether a picture is loaded in a place."""
        script = "(one) => [...one.querySelectorAll('img')].some((image) => image.complete && image.naturalWidth > 0)"
        return bool(locator.evaluate(script))
