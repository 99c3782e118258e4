"""What a handler may ask for, named by role. The adapters beside this file implement it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, get_args

from libs.shared.events import BlobRef

Result = TypeVar("Result")
BlobKind = Literal["original", "encoded", "preview", "thumbnail"]
CHUNK_BYTES = 255 * 1024
"""How blobs are stored and streamed: the size of a chunk that GridFS recommends."""
BLOB_KINDS: tuple[BlobKind, ...] = get_args(BlobKind)


class BlobStore(Protocol):
    """Immutable byte sequences under random ids, read and written as streams."""

    def read(self, ref: BlobRef, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Stream the bytes from ``start`` to before ``stop`` (default: all), at most one chunk at a time.

        Raises:
            BlobMissing: the blob, or a part of it, is not there.
            Outage: the store does not answer.
        """
        ...

    async def write(
        self, content: AsyncIterator[bytes], *, kind: BlobKind, content_type: str, image_id: str
    ) -> BlobRef:
        """Store a stream under a new random id; when this returns, the blob is durable.

        Leaves nothing behind when ``content`` raises or the caller is cancelled.
        """
        ...

    async def delete(self, *blob_ids: str) -> None:
        """Remove blobs, those that are not there included."""
        ...


class Offload(Protocol):
    """Runs functions over hostile files in a child process that can be killed."""

    async def run(self, function: Callable[..., Result], /, *arguments: Any) -> Result:
        """Run an importable function over picklable arguments in a child, off the event loop.

        A child that dies or overstays its deadline is replaced, and the call is tried once more in a fresh one.

        Raises:
            Rejection: ``decode-timeout``, ``decode-out-of-memory`` or ``decoder-crashed`` after the second try,
                or whatever rejection the function raised itself.
        """
        ...


@dataclass(frozen=True)
class Toolbox:
    """What a stage's handler works with: its settings, the blobs and the pool. No broker, no catalog."""

    settings: Any
    blobs: BlobStore
    offload: Offload
