"""The short messages at the top of the page: how long they stand there."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.web.screen import Screen

OPEN_FIRST = "Open an album first: pictures are added to the album that is open."

PASTE = """() => {
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File(['picture'], 'a.png'));
  document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
}"""


def test_a_message_goes_by_itself_and_one_that_is_said_again_stands_there_once_for_as_long_again(
    screen: Screen,
) -> None:
    screen.page.clock.install()
    screen.open()
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
    screen.page.clock.pause_at(screen.page.evaluate("Date.now() + 60_000"))
    messages = screen.page.locator(".notice:visible")

    for _ in range(2):
        screen.page.evaluate(PASTE)
        expect(messages).to_have_text([OPEN_FIRST])
        screen.page.clock.run_for(6_000)
        expect(messages).to_have_text([OPEN_FIRST])

    screen.page.clock.run_for(2_000)
    expect(messages).to_have_count(0)
