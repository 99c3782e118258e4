"""Giving an image up: it fails with ``attempts-exhausted`` when trying once more would only fail again."""

from __future__ import annotations

from libs.catalog.catalog import Catalog, numbered
from libs.catalog.progress import failure
from libs.catalog.records import Image
from libs.shared.events import Context, ImageFailed
from libs.shared.mongo import Document, Transaction
from libs.shared.ports import BlobKind

FORGET: dict[BlobKind, Document] = {
    "original": {"$set": {"is_original_kept": False}},
    "encoded": {"$unset": {"encoded": "", "preview": ""}},
    "thumbnail": {"$unset": {"thumbnail": ""}},
}
"""The updates by which a record promises a blob no longer."""
BYTES_LOST = "its stored bytes are lost, so it cannot be tried again: upload it once more"


async def give_up(
    catalog: Catalog,
    image: Image,
    stage: str,
    message: str,
    attempts: int,
    context: Context,
    *,
    lost: frozenset[BlobKind] = frozenset(),
) -> bool:
    """Fail an image and tell of it, unless it has moved on.

    Args:
        catalog: the catalog.
        image: the image as it was when the decision fell.
        stage: who gave it up.
        message: why, in a sentence for the one who uploaded it.
        attempts: how often it was tried.
        context: what this continues.
        lost: the blobs that its record names and the store has no longer; the record forgets them.

    Returns:
        Whether the image has failed by this call.
    """
    event = ImageFailed(
        album_id=image.album_id,
        image_id=image.id,
        generation=image.generation,
        stage=stage,
        code="attempts-exhausted",
        message=message,
        attempts=attempts,
    )
    changes = failure(event.code, event.message, event.attempts)
    for kind in lost:
        for operator, fields in FORGET[kind].items():
            changes[operator] = {**changes[operator], **fields}

    def work(transaction: Transaction) -> bool:
        wanted = {"_id": image.id, "generation": image.generation, "state": image.state}
        document = transaction.change(catalog.images, wanted, numbered(changes))
        if document is not None:
            catalog.record(transaction, event, document, "api", context)
        return document is not None

    return await catalog.transact(work)
