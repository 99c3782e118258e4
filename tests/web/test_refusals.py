"""What the limits refuse is said before it is sent, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.pictures import picture
from tests.web.screen import Screen

TOO_LARGE = "at most 1920 wide and 1080 high"


def behind_metadata(jpeg: bytes) -> bytes:
    """A JPEG with its size behind as much metadata as some cameras write, a preview for one."""
    return jpeg[:2] + 3 * (b"\xff\xef" + (50_000).to_bytes(2, "big") + bytes(49_998)) + jpeg[2:]


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "wide.jpg": (lambda: picture("JPEG", 1921, 100), "1921 x 100 pixels; " + TOO_LARGE),
    "tall.png": (lambda: picture("PNG", 100, 1081), "100 x 1081 pixels; " + TOO_LARGE),
    "wide.webp": (lambda: picture("WEBP", 1921, 32), TOO_LARGE),
    "tall.avif": (lambda: picture("AVIF", 64, 1082), TOO_LARGE),
    "wide.heic": (lambda: picture("HEIF", 1922, 64), TOO_LARGE),
    "turned.heic": (lambda: picture("HEIF", 1922, 64, orientation=6), "64 x 1922 pixels; " + TOO_LARGE),
    "deep.jpg": (lambda: behind_metadata(picture("JPEG", 1921, 100)), "1921 x 100 pixels; " + TOO_LARGE),
    "heavy.jpg": (
        lambda: picture("JPEG", 64, 48) + bytes(52_428_800),
        "at most 52,428,800 are accepted",
    ),
    "notes.jpg": (lambda: b"Dear diary, this is no picture.", "Only JPEG, PNG, WebP, HEIC, HEIF and AVIF are accepted"),
    "moving.gif": (lambda: b"GIF89a" + bytes(100), "Only JPEG, PNG, WebP, HEIC, HEIF and AVIF are accepted"),
    "nothing.png": (lambda: b"", "The file is empty."),
}

SLOW_DISK = """
const read = Blob.prototype.arrayBuffer;
Blob.prototype.arrayBuffer = async function () {
  await new Promise((resolve) => setTimeout(resolve, 50));
  return read.call(this);
};
"""


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_refused_is_not_sent_and_the_reason_is_said(screen: Screen, name: str) -> None:
    make, reason = REFUSED[name]
    screen.open().create_album("Limits")
    sent: list[str] = []
    screen.page.on("request", lambda request: sent.append(request.url) if "upload" in request.url else None)
    if name == "heavy.jpg":
        # Playwright passes no file of this size: the page makes it itself.
        script = """(head) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(head), new Uint8Array(52428800)], 'heavy.jpg'));
          const options = { bubbles: true, cancelable: true, dataTransfer: transfer };
          document.body.dispatchEvent(new DragEvent('drop', options));
        }"""
        screen.page.evaluate(script, list(picture("JPEG", 64, 48)))
    else:
        screen.choose({name: make()})
    expect(screen.row(name)).to_contain_text(reason)
    expect(screen.tile(name)).to_have_count(0)
    assert sent == []


@pytest.mark.parametrize(
    "content",
    [
        picture("JPEG", 1920, 1080),
        picture("JPEG", 1920, 1080, orientation=6),
        picture("PNG", 1920, 1080),
        picture("WEBP", 1920, 1080),
    ],
    ids=["jpeg", "sideways-jpeg", "png", "webp"],
)
def test_a_picture_of_exactly_the_limits_is_taken(screen: Screen, content: bytes) -> None:
    screen.open().create_album("At the limit")
    screen.choose({"edge": content})
    screen.expect_shows("edge", "server")


def test_a_picture_that_fits_once_it_is_turned_is_taken(screen: Screen) -> None:
    screen.open().create_album("Turned")
    screen.choose({"phone.heic": picture("HEIF", 64, 1082, orientation=6)})
    screen.expect_shows("phone.heic", "server")


def test_a_file_of_exactly_as_many_bytes_as_are_accepted_is_sent(screen: Screen) -> None:
    screen.open().create_album("Heavy")
    screen.hold_uploads()
    script = """(head) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(head), new Uint8Array(52428800 - head.length)], 'heavy.jpg'));
      document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: transfer }));
    }"""
    screen.page.evaluate(script, list(picture("JPEG", 64, 48)))
    screen.expect_stage("heavy.jpg", "uploading")


def test_a_jpeg_is_taken_whatever_it_is_called(screen: Screen) -> None:
    screen.open().create_album("Misnamed")
    screen.choose({"photo.heic": picture("JPEG", 320, 240)})
    screen.expect_shows("photo.heic", "server")


def test_good_files_go_on_beside_refused_ones_and_the_list_is_cleared(screen: Screen) -> None:
    screen.open().create_album("Mixed")
    screen.choose({"good.png": picture("PNG", 64, 48), "bad.txt": b"text text text text"})
    screen.expect_shows("good.png", "server")
    expect(screen.page.get_by_role("heading", name="1 picture ready, 1 not accepted")).to_be_visible()
    screen.page.get_by_role("button", name="Clear the list").click()
    expect(screen.page.locator(".tray")).to_be_hidden()


def test_refused_files_are_told_of_in_the_order_they_were_chosen_in(screen: Screen) -> None:
    screen.page.add_init_script(SLOW_DISK)
    screen.open().create_album("In order")
    names = [f"{n:02}.txt" for n in range(1, 9)]

    screen.choose(dict.fromkeys(names, b"text text text text"))

    expect(screen.page.get_by_role("heading", name="8 not accepted")).to_be_visible()
    rows = screen.page.locator(".tray-list > .tray-row")
    assert sorted(rows.evaluate_all("(all) => all.map((row) => [row.ariaPosInSet, row.innerText.slice(0, 6)])")) == [
        [str(n), name] for n, name in enumerate(names, 1)
    ]


def test_a_file_that_was_changed_after_it_was_chosen_is_told_as_such_and_not_sent_for_ever(
    screen: Screen, tmp_path: Path
) -> None:
    path = tmp_path / "moved.png"
    path.write_bytes(picture("PNG", 64, 48))
    screen.open().create_album("Moved")
    screen.hold_uploads()
    screen.page.locator("[data-chooser=files]").set_input_files(path)
    screen.until(lambda: screen.held, "the file is about to be sent")
    path.unlink()
    screen.release_uploads()

    expect(screen.row("moved.png")).to_contain_text("It could not be read. Was it moved, changed or deleted?")
    expect(screen.row("moved.png")).to_have_attribute("data-stage", "stopped")
