"""What is dropped and pasted, and what it is for."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.web.screen import Screen

# A folder of one file that is not found before somebody calls `found()`.
DROP_SLOW_FOLDER = """(bytes) => {
  const file = (resolve) => (window.found = () => resolve(new File([new Uint8Array(bytes)], 'slow.png')));
  const portions = [[{ name: 'slow.png', isFile: true, file }], []];
  const createReader = () => ({ readEntries: (resolve) => resolve(portions.shift()) });
  const folder = { name: 'folder', isDirectory: true, createReader };
  const item = { kind: 'file', webkitGetAsEntry: () => folder, getAsFile: () => null };
  const event = new DragEvent('drop', { bubbles: true, cancelable: true });
  Object.defineProperty(event, 'dataTransfer', { value: { types: ['Files'], items: [item], files: [] } });
  document.body.dispatchEvent(event);
}"""

PASTE_INTO_FIELD = """(field) => {
  const clipboardData = new DataTransfer();
  clipboardData.setData('text/plain', 'Summer');
  clipboardData.items.add(new File([new Uint8Array(9)], 'cells.png'));
  const event = new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData });
  field.dispatchEvent(event);
  return event.defaultPrevented;
}"""

DRAG = """([kind, type]) => {
  const dataTransfer = new DataTransfer();
  if (type === 'Files') dataTransfer.items.add(new File(['picture'], 'a.png'));
  else dataTransfer.setData(type, 'Summer');
  const event = new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
  return event.defaultPrevented;
}"""


def test_files_that_are_dragged_out_of_the_window_again_leave_no_word_of_a_drop(
    screen: Screen, album: AlbumClient
) -> None:
    screen.open_album(album.create("Passed over"))
    invitation = screen.page.get_by_text("Drop to add to this album")

    # From the page into a part of it and back, which the browser tells of as of two.
    for kind in ("dragenter", "dragenter", "dragleave"):
        screen.page.evaluate(DRAG, [kind, "Files"])
        expect(invitation).to_be_visible()
    screen.page.evaluate(DRAG, ["dragleave", "Files"])

    expect(invitation).to_be_hidden()


def test_text_that_is_dragged_over_the_page_is_the_browser_s_own_affair(screen: Screen, album: AlbumClient) -> None:
    screen.open_album(album.create("Text"))
    for kind in ("dragenter", "dragover", "drop"):
        assert not screen.page.evaluate(DRAG, [kind, "text/plain"]), kind
        expect(screen.page.get_by_text("Drop to add to this album")).to_be_hidden()


def test_files_go_to_the_album_they_were_dropped_on_though_another_is_opened(
    screen: Screen, album: AlbumClient
) -> None:
    first, second = album.create("First"), album.create("Second")
    screen.open_album(first)
    screen.page.evaluate(DROP_SLOW_FOLDER, list(picture("PNG", 64, 48)))
    screen.until(lambda: screen.page.evaluate("Boolean(window.found)"), "the folder is being walked through")

    screen.page.goto(f"{screen.url}/#/album/{second}")
    expect(screen.page.get_by_role("heading", name="Second", level=1)).to_be_visible()
    screen.page.evaluate("window.found()")

    screen.until(lambda: album.post("/album/get", album_id=first).json()["album_snapshot"]["content"], "it arrives")
    assert album.post("/album/get", album_id=second).json()["album_snapshot"]["content"] == []


def test_text_that_comes_with_a_picture_of_it_is_pasted_into_a_field(screen: Screen) -> None:
    screen.open()
    screen.page.get_by_role("button", name="New album").first.click()

    is_swallowed = screen.page.get_by_label("Name", exact=True).evaluate(PASTE_INTO_FIELD)

    assert not is_swallowed
