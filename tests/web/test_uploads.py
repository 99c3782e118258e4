"""Uploading: by every way a page can get files, with progress, cancelled, failed, tried again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from playwright.sync_api import Response, Route, expect

from deploy.local import rabbitmq
from deploy.local.node import running
from tests.support.client import AlbumClient
from tests.support.pictures import picture
from tests.support.raw import RawConnection
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually
from tests.web.conftest import OpenScreen
from tests.web.screen import UPLOADS_AT_ONCE, Screen

DROP = """([type, names, bytes]) => {
  const transfer = new DataTransfer();
  for (const name of names) transfer.items.add(new File([new Uint8Array(bytes)], name));
  const options = { bubbles: true, cancelable: true };
  const event = type === 'paste'
    ? new ClipboardEvent('paste', { ...options, clipboardData: transfer })
    : new DragEvent(type, { ...options, dataTransfer: transfer });
  document.body.dispatchEvent(event);
}"""

# What a browser makes of a folder on the disk, of which a file and a folder cannot be read.
DROP_FOLDER = """(bytes) => {
  const refuse = (_, reject) => reject(new DOMException('', 'NotReadableError'));
  const file = (name) => ({ name, isFile: true, file: (resolve) => resolve(new File([new Uint8Array(bytes)], name)) });
  const folder = (name, children) => {
    const portions = [...children.map((child) => [child]), []];
    const readEntries = (resolve) => resolve(portions.shift());
    return { name, isDirectory: true, createReader: () => ({ readEntries }) };
  };
  const locked = { name: 'locked', isDirectory: true, createReader: () => ({ readEntries: refuse }) };
  const moved = { name: 'moved.png', isFile: true, file: refuse };
  const dropped = folder('holiday', [file('a.png'), moved, locked, folder('deeper', [file('b.png')])]);
  DataTransferItem.prototype.webkitGetAsEntry = () => dropped;
  const transfer = new DataTransfer();
  transfer.items.add(new File([], 'holiday'));
  document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: transfer }));
}"""


def test_all_five_formats_become_ready(screen: Screen) -> None:
    screen.open().create_album("Every format")
    files = {"a.jpg": "JPEG", "b.png": "PNG", "c.webp": "WEBP", "d.avif": "AVIF", "e.heic": "HEIF"}
    screen.choose({name: picture(format, 320, 240) for name, format in files.items()})
    for name in files:
        screen.expect_shows(name, "server")
    expect(screen.page.get_by_role("heading", name="5 pictures ready")).to_be_visible()


def test_what_was_chosen_can_be_chosen_again(screen: Screen) -> None:
    screen.open().create_album("Twice")
    screen.choose({"a.png": picture("PNG", 64, 48)})
    screen.expect_shows("a.png", "server")

    # A person's browser says nothing of a choice that is the one before; Playwright does all the same.
    expect(screen.page.locator("[data-chooser=files]")).to_have_js_property("value", "")


def test_files_are_dropped_anywhere_on_the_page(screen: Screen) -> None:
    screen.open().create_album("Dropped")
    content = list(picture("PNG", 64, 48))
    screen.page.evaluate(DROP, ["dragenter", ["a.png"], content])
    expect(screen.page.get_by_text("Drop to add to this album")).to_be_visible()
    screen.page.evaluate(DROP, ["drop", ["a.png", "b.png"], content])
    for name in ("a.png", "b.png"):
        screen.expect_shows(name, "server")
    expect(screen.page.get_by_text("Drop to add to this album")).to_be_hidden()


def test_files_that_are_dropped_on_the_list_of_albums_are_not_taken_and_the_page_says_why(
    screen: Screen, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(picture("PNG", 64, 48))
    screen.open()
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()

    # By the browser's own hand, which would show the file in place of the page if the page did not care.
    mouse = screen.page.context.new_cdp_session(screen.page)
    held = {"items": [], "files": [str(tmp_path / "a.png")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        mouse.send("Input.dispatchDragEvent", {"type": kind, "x": 400, "y": 400, "data": held})
        expect(screen.page.get_by_text("Drop to add to this album")).to_be_hidden()

    screen.expect_notice("Open an album first: pictures are added to the album that is open.")
    expect(screen.page.locator(".tray")).to_be_hidden()
    expect(screen.page.get_by_role("heading", name="Albums", level=1)).to_be_visible()


def test_nothing_shines_through_a_transparent_picture_in_the_list_of_uploads(screen: Screen) -> None:
    screen.open().create_album("Clear")
    screen.choose({"clear.png": picture("PNG", 64, 48, mode="RGBA"), "text.png": b"no picture"})

    expect(screen.row("clear.png").locator("[data-shows=server]")).to_be_visible()
    expect(screen.row("clear.png").locator(".row-picture > .icon")).to_be_hidden()
    expect(screen.row("text.png").locator(".row-picture > .icon")).to_be_visible()


def test_a_picture_is_pasted(screen: Screen) -> None:
    screen.open().create_album("Pasted")
    screen.page.evaluate(DROP, ["paste", ["clip.png"], list(picture("PNG", 64, 48))])
    screen.expect_shows("clip.png", "server")


def test_a_folder_is_taken_with_what_is_in_its_folders(screen: Screen, tmp_path: Path) -> None:
    for place in ("one.png", "deeper/two.png", "deeper/.hidden", "deeper/Thumbs.db"):
        (tmp_path / "holiday" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "holiday" / place).write_bytes(picture("PNG", 64, 48))
    screen.open().create_album("Folder")
    screen.page.locator("[data-chooser=folder]").set_input_files(tmp_path / "holiday")
    for name in ("one.png", "two.png"):
        screen.expect_shows(name, "server")
    assert screen.page.locator(".tile").count() == 2


def test_what_cannot_be_read_in_a_dropped_folder_is_named_and_the_rest_is_taken(screen: Screen) -> None:
    screen.open().create_album("Partly readable")
    screen.page.evaluate(DROP_FOLDER, list(picture("PNG", 64, 48)))
    for name in ("a.png", "b.png"):
        screen.expect_shows(name, "server")
    for name in ("moved.png", "locked"):
        expect(screen.row(name)).to_contain_text("It could not be read.")


def test_at_most_four_uploads_are_under_way_at_a_time_those_chosen_first_before_others(screen: Screen) -> None:
    screen.open().create_album("Many")
    screen.hold_uploads()
    screen.choose({f"{n}.png": picture("PNG", 64, 48) for n in range(12)})
    uploading = screen.page.locator(".tile[data-stage=uploading]")
    expect(uploading).to_have_count(UPLOADS_AT_ONCE)
    for n in range(UPLOADS_AT_ONCE):
        screen.expect_stage(f"{n}.png", "uploading")
    screen.until(lambda: len(screen.held) >= UPLOADS_AT_ONCE, "as many are sent")
    expect(screen.page.locator(".tile[data-stage=waiting]")).to_have_count(12 - UPLOADS_AT_ONCE)
    assert len(screen.held) == UPLOADS_AT_ONCE
    screen.release_uploads()
    expect(screen.page.get_by_role("heading", name="12 pictures ready")).to_be_visible()


def test_a_cancelled_upload_leaves_nothing(screen: Screen, album: AlbumClient) -> None:
    album_id = screen.open().create_album("Cancelled")
    screen.hold_uploads()
    screen.choose({"a.png": picture("PNG", 64, 48), "b.png": picture("PNG", 64, 48)})
    screen.until(lambda: len(screen.held) == 2, "both are about to be sent")
    screen.row("a.png").get_by_role("button", name="Cancel").click()
    expect(screen.tile("a.png")).to_have_count(0)
    screen.until(lambda: any(route.request.failure for route in screen.held), "one of them is not sent")
    screen.held = [route for route in screen.held if not route.request.failure]
    screen.release_uploads()
    screen.expect_shows("b.png", "server")
    assert album.post("/album/get", album_id=album_id).json()["album_snapshot"]["content_count"] == 1


def test_an_upload_that_breaks_off_is_tried_again_by_itself_and_stored_once(screen: Screen, album: AlbumClient) -> None:
    album_id = screen.open().create_album("Flaky")
    broken: list[str] = []

    def break_once(route: Route) -> None:
        if broken:
            route.continue_()
        else:
            broken.append(route.request.url)
            route.fetch()  # the server gets it, but the answer is lost
            route.abort("connectionreset")

    screen.page.route("**/album/image/upload", break_once)
    screen.choose({"a.png": picture("PNG", 64, 48)})
    screen.expect_shows("a.png", "server")
    assert album.post("/album/get", album_id=album_id).json()["album_snapshot"]["content_count"] == 1


def test_an_upload_is_tried_again_as_often_as_a_busy_server_says_when(
    open_screen: OpenScreen, start_stack: StartStack
) -> None:
    stack = start_stack(ALBUM_MAX_UPLOADS="1", ALBUM_UPLOAD_IDLE_SECONDS="600")
    screen = open_screen(stack=stack).open()
    screen.create_album("Busy")
    answers: list[Response] = []
    screen.page.on("response", lambda answer: answers.append(answer) if "upload" in answer.url else None)
    with stack.client() as album, RawConnection(stack.url) as first:
        first.begin(content_length=1_000_000)
        eventually(lambda: "album_uploads_in_flight 1.0" in album.http.get("/metrics").text, what="it has begun")

        screen.choose({"a.png": picture("PNG", 64, 48)})

        # More often than it tries by itself where nobody says when.
        screen.until(lambda: len(answers) > 5, "it is tried again and again")
        assert {(answer.status, answer.headers["retry-after"]) for answer in answers} == {(503, "1")}
        begun_at_ms = [answer.request.timing["startTime"] for answer in answers]
        assert all(later - earlier > 990 for earlier, later in pairwise(begun_at_ms))
    screen.expect_shows("a.png", "server")
    assert answers[-1].status == 202


def test_other_files_go_on_while_the_server_still_holds_what_a_lost_connection_left(screen: Screen) -> None:
    screen.open().create_album("After a restart")
    answer = {"status": "fail", "code": "upload-in-progress", "message": "this upload is under way"}
    held = {f"{n}.png" for n in range(4)}

    def answer_held(route: Route) -> None:
        body = route.request.post_data_buffer or b""
        if any(name.encode() in body for name in held):
            route.fulfill(status=409, json=answer, headers={"retry-after": "1"})
        else:
            route.continue_()

    screen.page.route("**/album/image/upload", answer_held)
    screen.choose({f"{n}.png": picture("PNG", 64, 48) for n in range(6)})
    for n in (4, 5):
        screen.expect_shows(f"{n}.png", "server")

    held.clear()
    for n in range(4):
        screen.expect_shows(f"{n}.png", "server")


def test_failed_uploads_are_sent_again_one_by_one_or_all(screen: Screen) -> None:
    screen.open().create_album("Refused for now")
    answer = {"status": "fail", "code": "storage-full", "message": "there is no room left"}
    screen.page.route("**/album/image/upload", lambda route: route.fulfill(status=507, json=answer))
    screen.choose({f"{n}.png": picture("PNG", 64, 48) for n in range(3)})
    for n in range(3):
        screen.expect_stage(f"{n}.png", "stopped")
        expect(screen.row(f"{n}.png")).to_contain_text("There is no room left.")
    screen.page.unroute("**/album/image/upload")

    screen.row("0.png").get_by_role("button", name="Try 0.png again").click()
    screen.expect_shows("0.png", "server")
    screen.page.get_by_role("button", name="Retry all failed").click()
    for n in (1, 2):
        screen.expect_shows(f"{n}.png", "server")


def test_who_removes_what_was_not_uploaded_reads_nothing_of_a_deletion(screen: Screen) -> None:
    screen.open().create_album("Not wanted after all")
    screen.page.route("**/album/image/upload", lambda route: route.fulfill(status=507, json={"code": "storage-full"}))
    screen.choose({"a.png": picture("PNG", 64, 48)})
    screen.expect_stage("a.png", "stopped")

    screen.row("a.png").get_by_role("button", name="Remove a.png").click()
    expect(screen.page.locator("dialog.dialog")).to_contain_text("Your own file stays as it is.")
    expect(screen.page.locator("dialog.dialog")).not_to_contain_text("deleted")
    screen.confirm("Remove")

    expect(screen.tile("a.png")).to_have_count(0)


def test_failed_jobs_say_why_and_are_all_tried_again(screen: Screen, album: AlbumClient) -> None:
    album_id = screen.open().create_album("Damaged")
    damaged = picture("PNG", 320, 240)[:900]
    screen.choose({"a.png": damaged, "b.png": damaged})
    for name in ("a.png", "b.png"):
        screen.expect_stage(name, "failed")
        expect(screen.row(name)).to_contain_text("The picture is")
    screen.page.get_by_role("button", name="Retry all failed").click()

    def attempts() -> set[int]:
        images = album.post("/album/images", album_id=album_id).json()["images"]
        return {len(album.job(image["job_id"])["timeline"]) for image in images}

    eventually(lambda: min(attempts()) >= 4, what="both jobs ran again")
    for name in ("a.png", "b.png"):
        screen.expect_stage(name, "failed")


def test_many_pictures_that_cannot_be_tried_again_are_told_of_in_one_sentence(
    screen: Screen, album: AlbumClient
) -> None:
    album_id = album.create("All damaged")
    for n in range(3):
        album.settled(album.upload(album_id, picture("PNG", 320, 240)[:900], f"{n}.png"))
    screen.open_album(album_id)
    screen.page.route("**/job/retry", lambda route: route.abort())

    screen.page.get_by_role("button", name="Retry all failed").click()

    screen.expect_notice("3 pictures could not be tried again. The server cannot be reached.")
    expect(screen.page.locator(".notice:visible")).to_have_count(1)


def test_a_reload_in_the_middle_picks_up_its_jobs_again(open_screen: OpenScreen, start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=1)
    screen = open_screen(stack=stack).open()
    screen.create_album("Reloaded")
    screen.choose({"a.jpg": picture("JPEG", 640, 480)})
    screen.expect_stage("a.jpg", "queued")

    screen.page.reload()
    screen.expect_stage("a.jpg", "queued")
    expect(screen.row("a.jpg")).to_contain_text("In the queue")
    stack.start("decoder")

    screen.expect_stage("a.jpg", "ready")
    screen.expect_shows("a.jpg", "server")


def test_uploads_are_taken_while_the_broker_is_down_and_finish_when_it_is_back(
    open_screen: OpenScreen, start_stack: StartStack, tmp_path: Path
) -> None:
    with running(rabbitmq.prepare(tmp_path)) as (broker,):
        stack: Stack = start_stack(ALBUM_AMQP_URL=broker.url)
        screen = open_screen(stack=stack).open()
        screen.create_album("No broker")
        broker.kill()
        screen.choose({"a.jpg": picture("JPEG", 640, 480)})
        screen.expect_stage("a.jpg", "queued")
        screen.expect_shows("a.jpg", "local")
        broker.restart()
        screen.expect_stage("a.jpg", "ready")
        screen.expect_shows("a.jpg", "server")
        stack.stop()


def test_what_was_to_be_added_to_an_album_that_is_deleted_is_told_of_once(screen: Screen, album: AlbumClient) -> None:
    album_id = screen.open().create_album("Deleted too early")
    screen.hold_uploads()
    screen.choose({f"{n}.png": picture("PNG", 64, 48) for n in range(6)})
    screen.until(lambda: len(screen.held) == UPLOADS_AT_ONCE, "uploads are under way")
    screen.page.get_by_role("link", name="All albums").click()
    album.post("/album/delete", album_id=album_id)

    screen.release_uploads()

    screen.expect_notice("6 pictures could not be added: the album was deleted.")
    expect(screen.page.locator(".notice:visible")).to_have_count(1)
    expect(screen.page.locator(".tray")).to_be_hidden()
    assert screen.page.evaluate("dispatchEvent(new Event('beforeunload', { cancelable: true }))"), (
        "asks whether to leave"
    )


def test_who_closes_the_page_is_asked_while_a_file_is_being_sent_and_not_when_all_have_been(screen: Screen) -> None:
    screen.open().create_album("All sent")
    may_close = "dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    screen.hold_uploads()
    screen.choose({"a.png": picture("PNG", 64, 48)})
    screen.expect_stage("a.png", "uploading")
    assert not screen.page.evaluate(may_close)

    screen.release_uploads()

    screen.expect_stage("a.png", "ready")
    assert screen.page.evaluate(may_close)


def test_leaving_the_album_does_not_stop_its_uploads(screen: Screen, album: AlbumClient) -> None:
    album_id = screen.open().create_album("Left")
    screen.hold_uploads()
    screen.choose({"a.png": picture("PNG", 64, 48)})
    screen.expect_stage("a.png", "uploading")
    screen.page.get_by_role("link", name="All albums").click()
    expect(screen.row("a.png")).to_contain_text("Uploading")
    screen.release_uploads()
    expect(screen.row("a.png")).to_contain_text("Ready")

    def count() -> int:
        number: int = album.post("/album/get", album_id=album_id).json()["album_snapshot"]["content_count"]
        return number

    screen.until(lambda: count() == 1, "the upload arrives")
    screen.open_album(album_id)
    screen.expect_shows("a.png", "server")


def test_thousands_of_pictures_of_an_album_that_is_deleted_go_at_once(screen: Screen) -> None:
    screen.open().create_album("Another one")
    given_up = """async (content) => {
      const { AlbumStore } = await import('/assets/any/scripts/album/store.js');
      const { enqueue, unsent } = await import('/assets/any/scripts/uploads/queue.js');
      const store = new AlbumStore(crypto.randomUUID());
      const file = (_, n) => ({ file: new File([new Uint8Array(content)], `${n}.png`), width: 64, height: 48 });
      const items = store.addFiles(Array.from({ length: 4000 }, file));
      let redrawn = 0;
      let told = 0;
      store.addEventListener('items', () => (redrawn += 1));
      store.addEventListener('item', ({ detail }) => (told += detail.isGone));
      enqueue(store, items);
      while (unsent()) await new Promise((resolve) => setTimeout(resolve, 20));
      return [redrawn, told, store.items.length];
    }"""

    assert screen.page.evaluate(given_up, list(picture("PNG", 64, 48))) == [1, 4000, 0]
