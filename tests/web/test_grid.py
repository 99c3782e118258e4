"""The grid with a great many pictures, and the page with a great many files."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, expect

from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tests.web.screen import PATIENCE_MS, TWO_FRAMES, Screen

MANY = 10_000
SHAPES = ((1600, 900), (900, 900), (720, 1080), (1200, 900))
FRAMES_A_SECOND = 50
QUIET_FRAMES_A_SECOND = 59
"""What an empty page reaches on a machine that does nothing else."""
CHANCES = 5
LONGEST_TASK_MS = 200

SCROLL = """async ([speed, milliseconds]) => {
  const frames = [];
  await new Promise((done) => {
    const step = (time) => {
      frames.push(time);
      scrollBy(0, speed);
      if (time - frames[0] > milliseconds) done();
      else requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  window.frames_seen = frames.length;
  return ((frames.length - 1) * 1000) / (frames.at(-1) - frames[0]);
}"""

FIRST_ON_SCREEN = """() => {
  const tops = [...document.querySelectorAll('.tile-link')].map((link) => [link, link.getBoundingClientRect()]);
  const rows = tops.filter(([, box]) => box.bottom > 64).sort(([, a], [, b]) => a.top - b.top || a.left - b.left);
  return rows.length && scrollY > 600 ? [rows[0][0].getAttribute('aria-label').split(':')[0], rows[0][1].top] : null;
}"""

# And no word of the end of scrolling, as from Safari before its version 26.2.
COUNT_FADES = """
  window.fades = 0;
  addEventListener('animationstart', ({ animationName, target }) => {
    if (animationName === 'arrive' && target.closest('.tile')) window.fades += 1;
  });
  addEventListener('scrollend', (event) => event.stopImmediatePropagation(), true);
"""

SCROLL_SMOOTHLY = """() => {
  const grid = document.querySelector('.grid');
  const watch = () => { window.hasRested = !grid.classList.contains('is-scrolling'); };
  new MutationObserver(watch).observe(grid, { attributes: true, attributeFilter: ['class'] });
  scrollTo({ top: 120, behavior: 'smooth' });
}"""

# A real drop would hand over files of the disk; these live in memory, and as many bytes are read and sent.
DROP_MANY = """async ([content, number]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  for (let n = 0; n < number; n += 1) transfer.items.add(new File([bytes], `P${String(n).padStart(3, '0')}.jpg`));
  document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: transfer }));
}"""


def busy_seconds(devtools: CDPSession) -> float:
    """How long the page's main thread has computed; waiting for a core does not count."""
    metrics = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def longest_task_ms(trace: bytes) -> float:
    """The longest task of a page's main thread in a trace, as time on a core."""
    events = json.loads(trace)["traceEvents"]
    threads = [event for event in events if event["name"] == "thread_name"]
    main = {(each["pid"], each["tid"]) for each in threads if each["args"]["name"] == "CrRendererMain"}
    tasks = [event for event in events if "RunTask" in event["name"] and (event["pid"], event["tid"]) in main]
    assert len(tasks) > 100, "the trace shows the page's tasks"
    return max(float(task["tdur"]) for task in tasks if "tdur" in task) / 1000


@pytest.fixture(scope="module")
def great_album(stack: Stack) -> str:
    """An album of ten thousand pictures: a few real ones, and their records copied."""
    with stack.client() as client:
        album_id = client.create("Ten thousand")
        for width, height in SHAPES:
            client.ready(album_id, picture("JPEG", width, height), f"{width}x{height}.jpg")
    records = list(stack.database["images"].find({"album_id": album_id}))
    copies: list[dict[str, Any]] = [
        {**records[n % len(records)], "_id": str(uuid.uuid4()), "order": n + len(records), "name": f"IMG_{n:05}.jpg"}
        for n in range(MANY - len(records))
    ]
    stack.database["images"].insert_many(copies)
    stack.database["albums"].update_one({"_id": album_id}, {"$set": {"content_count": MANY, "next_order": MANY + 1}})
    return album_id


def test_ten_thousand_pictures_scroll_smoothly(
    screen: Screen, great_album: str, record_property: Callable[[str, object], None]
) -> None:
    screen.open_album(great_album)
    expect(screen.page.locator(".page-detail")).to_have_text("10,000 pictures", timeout=PATIENCE_MS)
    expect(screen.page.locator(".tile[data-shows=server]").first).to_be_visible()

    devtools = screen.page.context.new_cdp_session(screen.page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    busy_before = busy_seconds(devtools)
    rate = screen.page.evaluate(SCROLL, [60, 4000])
    frames = screen.page.evaluate("window.frames_seen")
    busy_ms_a_frame = 1000 * (busy_seconds(devtools) - busy_before) / frames

    # Other work on the machine takes frames away, from an empty page as well: both get the same chances.
    empty, rate_of_empty = screen.page.context.new_page(), 0.0
    for _ in range(CHANCES):
        if rate >= FRAMES_A_SECOND:
            break
        empty.bring_to_front()
        rate_of_empty = max(rate_of_empty, empty.evaluate(SCROLL, [60, 1500]))
        screen.page.bring_to_front()
        rate = max(rate, screen.page.evaluate(SCROLL, [60, 1500]))
    record_property("frames_a_second", rate)
    record_property("busy_ms_a_frame", busy_ms_a_frame)
    assert busy_ms_a_frame <= 1000 / FRAMES_A_SECOND
    assert rate >= FRAMES_A_SECOND or rate_of_empty < QUIET_FRAMES_A_SECOND
    assert screen.page.locator(".tile").count() < 200


def test_a_long_album_is_listed_in_a_few_requests(screen: Screen, great_album: str) -> None:
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url))
    screen.open_album(great_album)
    expect(screen.page.locator(".page-detail")).to_have_text("10,000 pictures", timeout=PATIENCE_MS)
    assert len([url for url in asked if url.endswith("/album/images")]) <= 10
    assert not [url for url in asked if url.endswith(("/image/info", "/job/get"))]


def test_the_end_of_a_long_album_is_reached_by_a_key(screen: Screen, great_album: str) -> None:
    screen.open_album(great_album)
    expect(screen.page.locator(".page-detail")).to_have_text("10,000 pictures", timeout=PATIENCE_MS)
    screen.page.locator(".tile-link").first.focus()
    screen.page.keyboard.press("End")
    expect(screen.tile("1600x900.jpg").locator(".tile-link")).to_be_focused()
    screen.expect_shows("1600x900.jpg", "server")


def test_pictures_that_are_there_do_not_fade_in_again_when_scrolling_ends(screen: Screen, great_album: str) -> None:
    screen.page.add_init_script(COUNT_FADES)
    screen.open_album(great_album)
    shown = screen.page.locator(".tile[data-shows=server]")
    expect(screen.page.locator(".tile:not([data-shows])")).to_have_count(0, timeout=PATIENCE_MS)
    screen.until(lambda: screen.page.evaluate("document.getAnimations().length === 0"), "all have faded in")
    fades = screen.page.evaluate("window.fades")
    assert fades >= shown.count()

    screen.page.evaluate(SCROLL_SMOOTHLY)
    screen.until(lambda: screen.page.evaluate("window.hasRested"), "scrolling has begun and ended")
    screen.page.evaluate(TWO_FRAMES)

    assert screen.page.evaluate("window.fades") == fades


def test_a_long_album_is_where_it_was_left_when_it_is_loaded_again_or_come_back_to(
    screen: Screen, great_album: str
) -> None:
    screen.open_album(great_album)
    expect(screen.page.locator(".page-detail")).to_have_text("10,000 pictures", timeout=PATIENCE_MS)
    screen.page.evaluate("scrollTo(0, 100_000)")
    screen.until(lambda: screen.page.evaluate("history.state?.y === 100_000"), "the place is noted")

    screen.page.reload()
    screen.until(lambda: screen.page.evaluate("scrollY === 100_000"), "it is there again")

    screen.page.get_by_role("link", name="All albums").click()
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()
    assert screen.page.evaluate("scrollY") == 0
    screen.page.go_back()
    screen.until(lambda: screen.page.evaluate("scrollY === 100_000"), "it is there again")


def test_the_tab_key_leads_to_what_is_on_screen_after_scrolling_far(screen: Screen, great_album: str) -> None:
    screen.open_album(great_album)
    expect(screen.page.locator(".page-detail")).to_have_text("10,000 pictures", timeout=PATIENCE_MS)
    screen.page.evaluate("scrollTo(0, 100_000)")
    eventually(lambda: screen.page.evaluate(FIRST_ON_SCREEN))

    screen.page.get_by_role("button", name="Delete the album").focus()
    screen.page.keyboard.press("Tab")

    expect(screen.page.locator(".tile-link:focus")).to_be_in_viewport()
    assert screen.page.evaluate("scrollY") == 100_000


def test_what_a_person_looks_at_stays_in_place_when_pictures_arrive_above(screen: Screen, album: AlbumClient) -> None:
    album_id = album.create("Growing")
    content = picture("PNG", 160, 120)
    for n in range(80):
        album.upload(album_id, content, f"{n}.png")
    screen.open_album(album_id)
    expect(screen.page.locator(".page-detail")).to_have_text("80 pictures")
    screen.expect_stage("79.png", "ready")
    screen.page.evaluate("scrollTo(0, 700)")
    name, top = eventually(lambda: screen.page.evaluate(FIRST_ON_SCREEN))
    album.ready(album_id, content, "newest.png")
    expect(screen.page.locator(".page-detail")).to_have_text("81 pictures")

    link = screen.page.locator(f'.tile-link[aria-label^="{name}"]')
    screen.page.evaluate(TWO_FRAMES)

    box = link.bounding_box()
    assert box is not None
    assert abs(box["y"] - top) <= 1


@pytest.mark.timeout(400)
def test_five_hundred_files_leave_the_page_responsive(
    browser: Browser, screen: Screen, record_property: Callable[[str, object], None]
) -> None:
    screen.open().create_album("Five hundred")
    content = base64.b64encode(picture("JPEG", 640, 360)).decode()
    screen.page.evaluate(DROP_MANY, [content, 500])
    browser.start_tracing(page=screen.page, categories=["toplevel"])
    expect(screen.page.locator(".page-detail")).to_have_text("500 pictures", timeout=PATIENCE_MS)
    expect(screen.page.locator(".tile[data-shows=local]").first).to_be_visible()
    expect(screen.page.get_by_role("heading", name=re.compile(r"^Uploading [123]\d\d "))).to_be_visible(
        timeout=8 * PATIENCE_MS
    )

    longest = longest_task_ms(browser.stop_tracing())
    record_property("longest_task_ms", longest)
    assert longest <= LONGEST_TASK_MS
