"""A real Chromium over the real stack: Debian's package, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.support.stack import Stack
from tests.web.screen import PATIENCE_MS, Screen

# Chromium loads the two pages of its address bar's list into every window, though nobody types there: half of all the
# work of a window that opens one page.
ADDRESS_BAR = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup")
# What Playwright itself switches off, as far as it matters here: of two such lists Chromium takes the last one alone.
PLAYWRIGHTS_OWN = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
)

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(PLAYWRIGHTS_OWN + ADDRESS_BAR)}",
)

OpenScreen = Callable[..., Screen]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the whole session: while Playwright's synchronous API is open, an event loop counts as running in this
    # thread, and tests that run one of their own fail.
    path = shutil.which("chromium")
    assert path, "there is no chromium: apt-get install chromium"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_screen(browser: Browser, stack: Stack) -> Iterator[OpenScreen]:
    """Open a window of its own: ``open_screen(stack=..., viewport=..., has_touch=...)``."""
    contexts: list[BrowserContext] = []
    screens: list[Screen] = []

    def open_one(stack: Stack = stack, **options: object) -> Screen:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        screens.append(Screen(context.new_page(), stack.url))
        return screens[-1]

    yield open_one
    for context in contexts:
        for page in context.pages:
            page.unroute_all(behavior="ignoreErrors")  # what a test has asked the server and does not wait for
        context.close()
    for screen in screens:
        assert screen.errors == [], "the page met errors of its own"
        assert screen.foreign_requests == [], "the page asked another server"


@pytest.fixture
def screen(open_screen: OpenScreen) -> Screen:
    return open_screen()
