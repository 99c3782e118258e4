"""A nameless file in memory: how a picture gets from an async stream into a decode child, and its results back.

A memfd needs no directory, no writable file system and no cleaning up: it is gone with its last descriptor, even when
everybody is killed. Its pages belong to the kernel, so neither end holds the whole file in its own memory while
copying; one chunk costs a memory copy, too little to be worth a thread.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterable, AsyncIterator
from types import TracebackType

from libs.shared.ports import CHUNK_BYTES

_FLAGS = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING


class Spool:
    """A file without a name, owned through its descriptor. Close it, or use it in a ``with`` statement."""

    def __init__(self, descriptor: int | None = None) -> None:
        """Take over an open descriptor, or without one make a new, empty file."""
        self._is_ours = descriptor is None
        self.descriptor = os.memfd_create("album-spool", _FLAGS) if descriptor is None else descriptor

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptor back. Closing twice does no harm.

        Whoever made it empties it for good: a child that a picture has taken over may keep what it was passed, and fill
        memory with it that no limit counts as the child's.
        """
        if self.descriptor >= 0:
            if self._is_ours:
                self.empty()
                fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
            os.close(self.descriptor)
            self.descriptor = -1

    @property
    def length(self) -> int:
        """How many bytes are in it."""
        return os.fstat(self.descriptor).st_size

    async def fill(self, content: AsyncIterable[bytes]) -> None:
        """Append a stream, chunk by chunk."""
        async for chunk in content:
            self.append(chunk)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Stream what is in it, from the first byte on, at most `CHUNK_BYTES` at a time."""
        position = 0
        while chunk := os.pread(self.descriptor, CHUNK_BYTES, position):
            yield chunk
            position += len(chunk)

    def append(self, content: bytes | memoryview) -> None:
        """Write all of ``content`` behind what is there.

        Raises:
            OSError: the process may not write files of that size.
        """
        rest = memoryview(content)
        while rest:
            rest = rest[os.pwrite(self.descriptor, rest, self.length) :]

    def replace(self, content: bytes | memoryview) -> None:
        """Make this its whole content: an earlier try may have died after writing, or half-way.

        Raises:
            OSError: the process may not write files of that size.
        """
        self.empty()
        self.append(content)

    def empty(self) -> None:
        """Forget what is in it."""
        os.ftruncate(self.descriptor, 0)

    def read(self) -> bytes:
        """Everything at once. For a decode child only."""
        return os.pread(self.descriptor, self.length, 0)
