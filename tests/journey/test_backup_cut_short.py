"""A backup or a restore that does not come to its end, and archives of which a part is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.audit import wait_for_all
from tests.support.client import AlbumClient
from tests.support.operator import album, succeeded
from tests.support.pictures import picture
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually

EX_REFUSED, EX_IOERR, EX_CONFIG = 1, 74, 78


@pytest.fixture(scope="module")
def filled(_stacks: StartStack) -> Iterator[Stack]:
    """A stack with one picture, and an audit that has heard of it."""
    stack = _stacks(audits=1)
    with stack.client() as client:
        client.ready(client.create(), picture("PNG", 300, 200))
    wait_for_all(stack)
    yield stack
    stack.stop()


@pytest.fixture
def client(filled: Stack) -> Iterator[AlbumClient]:
    with filled.client() as client:
        yield client


@dataclass
class Restore:
    """A restore under way that waits for the bytes of the largest blob."""

    process: subprocess.Popen[bytes]
    blob: Path

    def let_go(self) -> None:
        """Let it have none, and go on."""
        self.blob.open("wb").close()


@contextmanager
def hanging_restore(stack: Stack, database: str, directory: Path) -> Iterator[Restore]:
    """A restore that hangs; in the end it is killed and the backup is as it was."""
    blobs = [path for path in (directory / "blobs").rglob("*") if path.is_file()]
    largest = max(blobs, key=lambda path: path.stat().st_size)
    kept = largest.with_suffix(".kept")
    largest.rename(kept)
    os.mkfifo(largest)
    command = [sys.executable, "-m", "services.cli", "restore", str(directory)]
    environment = stack.environment | {"ALBUM_DATABASE": database}
    files = stack.database.client[database]["fs.files"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            eventually(lambda: files.count_documents({}) >= 1, what="some blobs are restored")
            yield Restore(process, largest)
        finally:
            process.kill()
            kept.replace(largest)


def test_a_restore_that_is_killed_leaves_nothing_that_is_taken_for_whole(
    filled: Stack, start_stack: StartStack, tmp_path: Path, elsewhere: str
) -> None:
    succeeded(filled.environment, "backup", tmp_path / "backup")
    with hanging_restore(filled, elsewhere, tmp_path / "backup"):
        pass  # it is killed here
    target = filled.environment | {"ALBUM_DATABASE": elsewhere}

    early = album(target, "restore", tmp_path / "backup", "--drop")
    assert (early.exit_code, "after a kill wait a minute" in early.stderr) == (EX_REFUSED, True)
    filled.database.client[elsewhere]["leases"].delete_many({})  # the minute is over
    copied = album(target, "backup", tmp_path / "another")
    assert (copied.exit_code, "a restore into this database has not ended" in copied.stderr) == (EX_REFUSED, True)
    assert not (tmp_path / "another").exists()
    refused = start_stack(apis=0, decoders=0, thumbnailers=0, ALBUM_DATABASE=elsewhere)
    with suppress(AssertionError):
        refused.start("api")
    eventually(lambda: not refused.processes["api-0"].is_running, what="the API ends")
    assert refused.processes["api-0"].exit_code == EX_CONFIG
    assert "run `album restore --drop` again" in refused.log("api-0")

    [restored] = succeeded(target, "restore", tmp_path / "backup", "--drop")
    assert restored["damaged"] == 0
    start_stack(decoders=0, thumbnailers=0, ALBUM_DATABASE=elsewhere)
    succeeded(target, "backup", tmp_path / "another")


def test_a_backup_that_is_killed_leaves_the_one_before_as_it_was(
    filled: Stack, client: AlbumClient, tmp_path: Path, elsewhere: str
) -> None:
    [before] = succeeded(filled.environment, "backup", tmp_path)
    image_id = client.ready(client.create(), picture("PNG", 301, 200))["image_id"]
    [blob] = filled.blobs(kind="original", image_id=image_id)
    waiting = tmp_path / "blobs" / blob["_id"][:2] / blob["_id"][2:4] / f"{blob['_id']}.partial"
    waiting.parent.mkdir(parents=True)
    os.mkfifo(waiting)
    process = subprocess.Popen([sys.executable, "-m", "services.cli", "backup", str(tmp_path)], env=filled.environment)
    eventually(lambda: (tmp_path / "images.jsonl.partial").exists(), what="it copies images")
    process.kill()
    process.wait()
    waiting.unlink()

    target = filled.environment | {"ALBUM_DATABASE": elsewhere}
    [restored] = succeeded(target, "restore", tmp_path)
    assert (restored["images"], restored["blobs"]) == (before["images"], before["blobs"])
    [after] = succeeded(filled.environment, "backup", tmp_path)
    assert after["blobs"] == before["blobs"] + 3
    assert list(tmp_path.rglob("*.partial")) == []


@pytest.mark.parametrize("name", ["events.jsonl.partial", "blobs"])
def test_a_full_disk_is_said_in_a_sentence_and_leaves_the_backup_before_as_it_was(
    filled: Stack, client: AlbumClient, tmp_path: Path, elsewhere: str, name: str
) -> None:
    [before] = succeeded(filled.environment, "backup", tmp_path)
    image_id = client.ready(client.create(), picture("PNG", 302, 200))["image_id"]
    if name == "blobs":
        [blob] = filled.blobs(kind="original", image_id=image_id)
        name = f"blobs/{blob['_id'][:2]}/{blob['_id'][2:4]}/{blob['_id']}.partial"
    full = tmp_path / name
    full.parent.mkdir(parents=True, exist_ok=True)
    full.symlink_to("/dev/full")

    done = album(filled.environment, "backup", tmp_path)

    assert done.exit_code == EX_IOERR
    assert done.stderr == f"album: {tmp_path}: No space left on device\n"
    [restored] = succeeded(filled.environment | {"ALBUM_DATABASE": elsewhere}, "restore", tmp_path)
    assert (restored["images"], restored["blobs"]) == (before["images"], before["blobs"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("manifest", "manifest.jsonl is missing or damaged in this backup"),
        ("audit", "audit.jsonl is missing or damaged in this backup"),
        ("events", "events.jsonl is missing or damaged in this backup"),
    ],
)
def test_an_archive_of_which_the_end_is_missing_is_refused_before_anything_is_touched(
    filled: Stack, tmp_path: Path, elsewhere: str, name: str, said: str
) -> None:
    succeeded(filled.environment, "backup", tmp_path)
    path = tmp_path / f"{name}.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    target = filled.environment | {"ALBUM_DATABASE": elsewhere}

    done = album(target, "restore", tmp_path, "--drop")

    assert (done.exit_code, done.stderr) == (EX_REFUSED, f"album: {said}\n")
    assert filled.database.client[elsewhere].list_collection_names() == []


def test_a_backup_that_lacks_its_last_lines_says_that_it_was_not_finished(
    filled: Stack, tmp_path: Path, elsewhere: str
) -> None:
    succeeded(filled.environment, "backup", tmp_path)
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:-1]))
    target = filled.environment | {"ALBUM_DATABASE": elsewhere}

    done = album(target, "restore", tmp_path)

    assert (done.exit_code, done.stderr) == (EX_REFUSED, "album: this backup was not finished: make it again\n")


def test_a_directory_that_is_no_backup_is_named(filled: Stack, tmp_path: Path, elsewhere: str) -> None:
    done = album(filled.environment | {"ALBUM_DATABASE": elsewhere}, "restore", tmp_path)

    assert done.exit_code == EX_REFUSED
    assert done.stderr == f"album: there is no backup in {tmp_path}, or none that was finished\n"


def test_a_restore_beside_which_something_is_written_ends_and_says_so(
    filled: Stack, tmp_path: Path, elsewhere: str
) -> None:
    succeeded(filled.environment, "backup", tmp_path)
    database = filled.database.client[elsewhere]
    with hanging_restore(filled, elsewhere, tmp_path) as restore:
        database["albums"].insert_one({"_id": filled.database["albums"].find_one()["_id"]})  # type: ignore[index]
        restore.let_go()

        printed, _ = restore.process.communicate()

    assert restore.process.returncode == EX_REFUSED
    assert printed.endswith(b"album: something writes to this database: stop all of Album first\n")


def test_a_database_on_which_nothing_but_a_subscriber_has_begun_is_empty(
    filled: Stack, start_stack: StartStack, tmp_path: Path, elsewhere: str
) -> None:
    succeeded(filled.environment, "backup", tmp_path)
    start_stack(decoders=0, thumbnailers=0, audits=1, ALBUM_DATABASE=elsewhere).stop()

    succeeded(filled.environment | {"ALBUM_DATABASE": elsewhere}, "restore", tmp_path)
