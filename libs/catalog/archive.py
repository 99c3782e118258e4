"""A backup's directory: records as lines, each blob a file, and a manifest that says what must be there.

```
manifest.jsonl                  a line each: the header, every blob, every file of records, and at last the end
albums.jsonl  images.jsonl ...  a file for each of `RECORDS`
blobs/3f/a9/3fa9…               named by their ids
```
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import anyio

from libs.catalog.extended_json import from_line, to_line
from libs.shared.errors import BlobMissing, Refusal
from libs.shared.events import BlobRef
from libs.shared.mongo import Document

VERSION = 3
OF_SUBSCRIBERS = ("positions", "audit", "webhook_deliveries", "webhooks")
"""What subscribers keep; see docs/decisions/0022. Backups of version 2 do not have it."""
RECORDS = (*OF_SUBSCRIBERS, "images", "albums", "events", "dead_letters", "keys", "owners")
"""The collections of a backup, in the order in which they are read; see docs/decisions/0008. Owners come after keys, or
a backup could have the first key without the name of its owner, and the next one who is named would inherit."""
LEFT_OUT = ("idempotency", "fsck", "sessions")
"""What else the database holds beside blobs, leases and its version, all of it of passing use."""
RECORDS_OF = {2: RECORDS[len(OF_SUBSCRIBERS) :], VERSION: RECORDS}
"""By the versions that can be read."""
MANIFEST = "manifest"
PIECE_BYTES = 256 * 1024
_PARTIAL = ".partial"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class Totals:
    """What a backup or a restore has gone through. ``damaged`` blobs could not be had."""

    albums: int = 0
    images: int = 0
    events: int = 0
    dead_letters: int = 0
    owners: int = 0
    keys: int = 0
    positions: int = 0
    audit: int = 0
    webhooks: int = 0
    webhook_deliveries: int = 0
    blobs: int = 0
    bytes: int = 0
    damaged: int = 0


class Lines:
    """A file of documents under way. Nobody sees it before `Archive.publish` gives it its name."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._digest = hashlib.sha256()
        # Secrets of webhooks are among the records, and whoever made the directory may have let others in.
        self._file: IO[bytes] = open(path.with_name(path.name + _PARTIAL), "wb", opener=_for_its_owner)  # noqa: SIM115

    def append(self, document: Document) -> None:
        line = to_line(document).encode() + b"\n"
        self._file.write(line)
        self._digest.update(line)
        self.count += 1

    def close(self) -> str:
        """Finish the file; the SHA-256 of all it holds."""
        self._file.close()
        return self._digest.hexdigest()


class Archive:
    """One directory that holds one backup."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def is_complete(self) -> bool:
        """Whether a backup ended here."""
        return self._path(MANIFEST).exists()

    @contextmanager
    def claimed(self) -> Iterator[int]:
        """The directory, made for its owner alone (it will hold other people's pictures), written by no one else.

        Gives the stamp of this backup: a time of change in nanoseconds, as exactly as this file system keeps it.

        Raises:
            Refusal: ``backup-in-use``, while another process writes or reads it.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._directory / "blobs").mkdir(mode=0o700, exist_ok=True)
        with self._lock.open("wb") as file:
            _flock(file, fcntl.LOCK_EX, "another backup writes this directory, or a restore reads it")
            self._lock.touch()
            yield self._lock.stat().st_mtime_ns

    @contextmanager
    def kept(self) -> Iterator[None]:
        """The backup as it is: no other takes its place meanwhile.

        Raises:
            Refusal: ``backup-incomplete``, if none has ended here; ``backup-in-use``, while another is being written.
        """
        self.require_finished()
        with ExitStack() as stack:
            # Where no lock can be had, such as on a medium that cannot be written to, a restore is worth more than one.
            with suppress(OSError):
                file = stack.enter_context(self._lock.open("ab"))
                _flock(file, fcntl.LOCK_SH, "a backup is being written to this directory: restore when it has ended")
            yield

    def lines(self, name: str) -> Lines:
        """A new file of documents, ``manifest`` among them."""
        return Lines(self._path(name))

    def publish(self, stamp: int) -> None:
        """Put what was written in the place of what an earlier backup left, and remove blobs only that one named.

        The manifest goes first and comes last: a backup without it is not complete, and nothing takes it for one.
        """
        os.sync()
        self._path(MANIFEST).unlink(missing_ok=True)
        for name in (*RECORDS, MANIFEST):
            path = self._path(name)
            path.with_name(path.name + _PARTIAL).replace(path)
        for path in (self._directory / "blobs").glob("*/*/*"):
            if path.stat().st_mtime_ns != stamp:
                path.unlink()

    def documents(self, name: str) -> Iterator[Document]:
        """The documents of a finished file.

        Raises:
            Refusal: ``backup-incomplete``, if it is not there or holds something else.
        """
        try:
            with self._path(name).open(encoding="utf-8", newline="\n") as file:
                for line in file:
                    yield from_line(line)
        except (FileNotFoundError, ValueError, TypeError):
            raise Refusal("backup-incomplete", f"{name}.jsonl is missing or damaged in this backup") from None

    def require_finished(self) -> None:
        """Look for what a backup leaves last.

        Raises:
            Refusal: ``backup-incomplete``, if none has ended here.
        """
        if not self.is_complete:
            raise Refusal("backup-incomplete", f"there is no backup in {self._directory}, or none that was finished")

    def require_whole(self) -> Document:
        """Look at all of a finished backup but the blobs, which are looked at one by one as they are read.

        Returns:
            What the backup says of itself.

        Raises:
            Refusal: ``backup-incomplete``, if it did not end, has another format, or its records have changed.
        """
        hashes: dict[str, str] = {}
        header: Document = {}
        is_ended = False
        for line in self.documents(MANIFEST):
            if line.get("line") == "backup":
                header = line
            elif line.get("line") == "records":
                hashes[line["name"]] = line["sha256"]
            is_ended = line.get("line") == "end"
        if not is_ended:
            raise Refusal("backup-incomplete", "this backup was not finished: make it again")
        if (format := header.get("version")) not in RECORDS_OF:
            known = " and ".join(map(str, RECORDS_OF))
            raise Refusal("backup-incomplete", f"this backup has format {format}; only {known} can be read")
        for name in RECORDS_OF[format]:
            path = self._path(name)
            if not path.exists() or _hash(path) != hashes.get(name):
                raise Refusal("backup-incomplete", f"{name}.jsonl is missing or damaged in this backup")
        return header

    def holds(self, ref: BlobRef, stamp: int) -> bool:
        """Whether the blob is there with its right length and hash; then ``stamp`` marks it as part of this backup."""
        path = self._blob_path(ref.blob_id)
        if not path.exists() or path.stat().st_size != ref.length or _hash(path) != ref.sha256:
            return False
        os.utime(path, ns=(stamp, stamp))
        return True

    async def write(self, ref: BlobRef, content: AsyncIterator[bytes], stamp: int) -> None:
        """Store a blob, marked by ``stamp``.

        Raises:
            BlobMissing: the bytes are not those of ``ref``, or ``content`` says so; then nothing is stored.
        """
        path = self._blob_path(ref.blob_id)
        partial = path.with_name(path.name + _PARTIAL)
        await anyio.to_thread.run_sync(lambda: path.parent.mkdir(parents=True, exist_ok=True))
        digest = hashlib.sha256()
        try:
            async with await anyio.open_file(partial, "wb") as file:
                async for piece in content:
                    digest.update(piece)
                    await file.write(piece)
            if digest.hexdigest() != ref.sha256:
                raise BlobMissing(ref.blob_id)
            os.utime(partial, ns=(stamp, stamp))
            partial.rename(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    async def read(self, blob_id: str) -> AsyncIterator[bytes]:
        """Stream a stored blob as it is."""
        async with await anyio.open_file(self._blob_path(blob_id), "rb") as file:
            while piece := await file.read(PIECE_BYTES):
                yield piece

    @property
    def _lock(self) -> Path:
        return self._directory / ".lock"

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.jsonl"

    def _blob_path(self, blob_id: str) -> Path:
        # A manifest comes from a file, so an id could be any path.
        if not _ID.fullmatch(blob_id):
            raise Refusal("backup-incomplete", "the manifest names a blob that cannot be one of ours")
        return self._directory / "blobs" / blob_id[:2] / blob_id[2:4] / blob_id


def _flock(file: IO[bytes], kind: int, refusal: str) -> None:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refusal("backup-in-use", refusal) from None


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
