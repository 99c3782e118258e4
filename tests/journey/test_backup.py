"""``album backup`` and ``album restore``: the drill, under load, and what they refuse."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.support.client import AlbumClient
from tests.support.operator import album, succeeded
from tests.support.pictures import picture
from tests.support.promises import broken_promises
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

Answers = dict[str, tuple[int, bytes]]


def answers(client: AlbumClient, album_id: str, image_id: str) -> Answers:
    """Every byte that clients can get of an image, by variant."""
    ids = {"album_id": album_id, "image_id": image_id}
    found = {
        "encoded": client.post("/album/image/get", **ids),
        "original": client.post("/album/image/get", **ids, variant="original"),
        "thumbnail": client.post("/album/thumbnail/get", thumbnail_id=album_id + image_id),
    }
    return {variant: (answer.status_code, answer.content) for variant, answer in found.items()}


def fill(stack: Stack, client: AlbumClient, album_id: str) -> tuple[dict[str, Answers], dict[str, str]]:
    """Pictures in every state, the stages being stopped one by one.

    Returns:
        What clients get of the images at rest; and which of them the images in flight, by id, are to become equal to.
    """
    heif = picture("HEIF", 200, 100)
    twin: str = client.ready(album_id, heif)["image_id"]
    resting = [twin, client.ready(album_id, picture("PNG", 300, 200))["image_id"]]
    resting.append(client.settled(client.upload(album_id, picture("JPEG")[:-300]))["image_id"])
    gone = client.ready(album_id, picture("WEBP"))["image_id"]
    client.post("/album/image/delete", album_id=album_id, image_id=gone).raise_for_status()
    twins = {}
    for service, state in (("thumbnailer", "encoded"), ("decoder", "queued")):
        stack.processes[f"{service}-0"].stop()
        accepted = client.upload(album_id, heif).json()
        eventually(lambda job=accepted["job_id"], state=state: client.job(job)["state"] == state)  # type: ignore[misc]
        twins[accepted["image_id"]] = twin
    return {image_id: answers(client, album_id, image_id) for image_id in resting}, twins


def test_the_restore_drill(start_stack: StartStack, tmp_path: Path, elsewhere: str) -> None:
    lost = start_stack()
    with lost.client() as client:
        album_id = client.create()
        before, twins = fill(lost, client, album_id)
    [copied] = succeeded(lost.environment, "backup", tmp_path)
    assert copied["images"] == 6  # the deleted one's tombstone among them
    lost.stop()

    [restored] = succeeded(lost.environment | {"ALBUM_DATABASE": elsewhere}, "restore", tmp_path)
    assert (restored["blobs"], restored["bytes"], restored["requeued"]) == (copied["blobs"], copied["bytes"], 2)
    found = start_stack(ALBUM_DATABASE=elsewhere)

    with found.client() as client:
        for image_id, twin in twins.items():
            eventually(lambda job=image_id + "job": client.job(job)["state"] == "ready", 60)  # type: ignore[misc]
            assert answers(client, album_id, image_id) == before[twin]
        assert {image_id: answers(client, album_id, image_id) for image_id in before} == before
        shown = client.post("/album/get", album_id=album_id).json()["album_snapshot"]
        assert (shown["content_count"], set(shown["content"])) == (5, {*before, *twins})
    database = lost.database.client[elsewhere]
    eventually(
        lambda: database["events"].count_documents({"pending": {"$gt": ""}}) == 0, what="every event is published"
    )
    assert broken_promises(database) == []
    assert album(found.environment, "fsck", "--hash").exit_code == 0


def test_a_backup_under_load_restores_to_images_whose_blobs_are_in_it(
    start_stack: StartStack, tmp_path: Path, elsewhere: str
) -> None:
    stack = start_stack(ALBUM_KEEP_ORIGINALS="false")
    is_over = threading.Event()

    def load() -> None:
        with stack.client() as client:
            album_id = client.create("load")
            while not is_over.is_set():
                accepted = client.upload(album_id, picture("JPEG", 320, 240)).json()
                older = client.post("/album/images", album_id=album_id, limit=1).json()["images"][0]["id"]
                if accepted["image_id"] != older:
                    client.post("/album/image/delete", album_id=album_id, image_id=older)

    loads = [threading.Thread(target=load) for _ in range(2)]
    with stack.client() as client:
        steady = client.create("steady")
        accepted = [client.upload(steady, picture("PNG", 100 + n, 80)).json()["image_id"] for n in range(12)]
        for thread in loads:
            thread.start()
        try:
            succeeded(stack.environment, "backup", tmp_path)
        finally:
            is_over.set()
            for thread in loads:
                thread.join()

    [restored] = succeeded(stack.environment | {"ALBUM_DATABASE": elsewhere}, "restore", tmp_path)

    database = stack.database.client[elsewhere]
    assert restored["damaged"] == 0
    for image in database["images"].find({"state": {"$nin": ["deleted", "failed"]}}):
        wanted = [image["encoded"], image["thumbnail"]] if image["state"] == "ready" else []
        wanted += [image["original"]] if image["state"] == "queued" else []
        for ref in wanted:
            assert database["fs.files"].find_one({"_id": ref["blob_id"], "metadata.sha256": ref["sha256"]})
    assert {image["_id"] for image in database["images"].find({"album_id": steady})} == set(accepted)
    checked = album(stack.environment | {"ALBUM_DATABASE": elsewhere}, "fsck", "--hash")
    assert checked.exit_code == 0, checked.stdout


def test_one_album_is_counted_as_one(start_stack: StartStack, tmp_path: Path) -> None:
    stack = start_stack(decoders=0, thumbnailers=0)
    with stack.client() as client:
        client.upload(client.create(), picture("PNG", 8, 8))

    copied = album(stack.environment, "backup", tmp_path).stdout
    checked = album(stack.environment, "fsck").stdout

    assert copied.startswith("1 album, 1 image, 2 events, 0 dead letters, 0 audit entries, 0 webhooks, 1 blob with ")
    assert checked == "checked 1 image, 1 file, 1 chunk: all is well\n"


def test_a_second_backup_copies_only_what_is_new(start_stack: StartStack, tmp_path: Path) -> None:
    stack = start_stack()
    with stack.client() as client:
        album_id = client.create()
        first = client.ready(album_id, picture("JPEG"))
        [copied] = succeeded(stack.environment, "backup", tmp_path)
        assert (copied["blobs"], copied["reused"]) == (3, 0)
        client.ready(album_id, picture("PNG"))
        [spoilt, *_] = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
        spoilt.write_bytes(bytes(spoilt.stat().st_size))

        [copied] = succeeded(stack.environment, "backup", tmp_path)
        assert (copied["blobs"], copied["reused"]) == (6, 2)

        client.post("/album/image/delete", album_id=album_id, image_id=first["image_id"]).raise_for_status()
        succeeded(stack.environment, "backup", tmp_path)
        assert len([path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]) == 3


def test_backup_and_restore_refuse_what_would_do_harm_or_cannot_be_trusted(
    start_stack: StartStack, tmp_path: Path, elsewhere: str
) -> None:
    stack = start_stack()
    with stack.client() as client:
        job = client.ready(client.create(), picture("JPEG"))
    for stage in ("decoder", "thumbnailer"):
        stack.processes[f"{stage}-0"].stop()
    succeeded(stack.environment, "backup", tmp_path)
    target = stack.environment | {"ALBUM_DATABASE": elsewhere}

    empty = album(target, "backup", tmp_path)
    assert (empty.exit_code, "would replace the one that is there" in empty.stderr) == (1, True)
    running = album(stack.environment, "restore", tmp_path, "--drop")
    assert (running.exit_code, "stop it first" in running.stderr) == (1, True)
    succeeded(target, "restore", tmp_path)
    full = album(target, "restore", tmp_path)
    assert (full.exit_code, "--drop would remove it" in full.stderr) == (1, True)
    [again] = succeeded(target, "restore", tmp_path, "--drop")
    assert (again["images"], again["blobs"]) == (1, 3)

    small = stack.database["images"].find_one({"_id": job["image_id"]})["thumbnail"]["blob_id"]  # type: ignore[index]
    (tmp_path / "blobs" / small[:2] / small[2:4] / small).write_bytes(b"spoilt")
    damaged = album(target, "restore", tmp_path, "--drop")
    assert (damaged.exit_code, "the thumbnail of image" in damaged.stderr) == (1, True)
    images = stack.database.client[elsewhere]["images"]
    assert [image["state"] for image in images.find()] == ["encoded"]

    (tmp_path / "images.jsonl").write_text("{}\n")
    spoilt = album(target, "restore", tmp_path, "--drop")
    assert (spoilt.exit_code, "images.jsonl is missing or damaged" in spoilt.stderr) == (1, True)
    (tmp_path / "manifest.jsonl").unlink()
    assert album(target, "restore", tmp_path, "--drop").exit_code == 1
    assert images.count_documents({}) == 1
