"""The page that describes the API, in a real browser under the server's own content security policy."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.support.stack import Stack


def test_the_docs_page_shows_every_endpoint_and_meets_no_error(stack: Stack, browser: Browser) -> None:
    complaints: list[str] = []
    asked: list[str] = []
    with browser.new_page() as page:
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))

        page.goto(f"{stack.url}/docs")
        page.wait_for_selector(".opblock")

        shown = page.locator(".opblock-summary-path").all_inner_texts()
    assert any("/album/image/upload" in path.replace("\u200b", "") for path in shown)
    assert len(shown) >= 19
    assert [address for address in asked if not address.startswith((stack.url, "data:", "blob:"))] == []
    assert complaints == []
