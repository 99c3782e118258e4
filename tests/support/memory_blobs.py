"""A blob store in memory that keeps every promise of the port."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from libs.shared.errors import BlobMissing
from libs.shared.events import BlobRef
from libs.shared.ports import CHUNK_BYTES, BlobKind


@dataclass
class MemoryBlobStore:
    """Implements `libs.shared.ports.BlobStore`; ``blobs`` and ``kinds`` are there to be looked at."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    kinds: dict[str, BlobKind] = field(default_factory=dict)

    async def read(self, ref: BlobRef, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        end = ref.length if stop is None else min(stop, ref.length)
        while True:
            content = self.blobs.get(ref.blob_id)
            if content is None:
                raise BlobMissing(ref.blob_id)
            if start >= end:
                return
            stop_here = min(end, (start // CHUNK_BYTES + 1) * CHUNK_BYTES)
            yield content[start:stop_here]
            start = stop_here

    async def write(
        self, content: AsyncIterator[bytes], *, kind: BlobKind, content_type: str, image_id: str
    ) -> BlobRef:
        chunks = [chunk async for chunk in content]
        return self.put(b"".join(chunks), kind=kind, content_type=content_type)

    def put(self, content: bytes, *, kind: BlobKind = "original", content_type: str = "image/jpeg") -> BlobRef:
        """Store bytes that are there already."""
        blob_id = str(uuid.uuid4())
        self.blobs[blob_id], self.kinds[blob_id] = content, kind
        digest = hashlib.sha256(content).hexdigest()
        return BlobRef(blob_id=blob_id, length=len(content), sha256=digest, content_type=content_type)

    async def delete(self, *blob_ids: str) -> None:
        for blob_id in blob_ids:
            self.blobs.pop(blob_id, None)
            self.kinds.pop(blob_id, None)
