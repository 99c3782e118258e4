"""The audit log of a stack against its event log, and events enough to fill both."""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import anyio
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

from libs.catalog.catalog import Catalog
from libs.catalog.settings import CatalogSettings
from libs.shared import mongo
from libs.shared.events import (
    BlobRef,
    Context,
    Event,
    ImageDeleted,
    ImageEncoded,
    ImageFailed,
    ThumbnailCreated,
    utc_now,
)
from libs.shared.mongo import Transaction
from libs.shared.settings import SharedSettings
from tests.support.operator import succeeded
from tests.support.stack import Stack
from tests.support.waiting import eventually

TOGETHER = 100
EVENTS_OF_AN_IMAGE = 4


def entries(stack: Stack, **wanted: str) -> list[dict[str, Any]]:
    """What the audit has recorded, in order."""
    return list(_audit(stack).find(wanted).sort("_id"))


def types(stack: Stack, **wanted: str) -> list[str]:
    """The short types of what the audit has recorded, in order."""
    return [entry["type"].removeprefix("io.album.") for entry in entries(stack, **wanted)]


def wait_for_all(stack: Stack, timeout_seconds: float = 30) -> None:
    """Wait until the audit has as many entries as there were public events."""
    told = stack.database["events"].count_documents({"is_public": True})
    eventually(lambda: count(stack) >= told, timeout_seconds, "all is recorded")


def count(stack: Stack) -> int:
    """How many entries the audit has."""
    return _audit(stack).count_documents({})


def _audit(stack: Stack) -> Collection[dict[str, Any]]:
    """As Album reads it itself: what is not journaled yet is not there."""
    return stack.database["audit"].with_options(read_concern=ReadConcern("majority"))


def assert_complete(stack: Stack) -> None:
    """Nothing is missing, nothing is there twice, each subject's events are in order, and the chain holds."""
    recorded = entries(stack)
    told = {event["_id"] for event in stack.database["events"].find({"is_public": True}, {"_id": 1})}
    assert len(recorded) == len(told)
    assert {entry["event_id"] for entry in recorded} == told
    sequences: dict[str, list[int]] = defaultdict(list)
    for entry in recorded:
        sequences[entry["subject"]].append(entry["sequence"])
    assert all(numbers == [*range(1, len(numbers) + 1)] for numbers in sequences.values())
    [verdict] = succeeded(stack.environment, "audit", "verify")
    assert verdict["head"]["position"] == len(recorded)


def write_events(stack: Stack, images: int, *, are_published: bool = True) -> list[str]:
    """Let the catalog record the events of so many images, and the API's relay publish them; the images' ids.

    With ``are_published`` False no queue ever gets them, as if every one had refused.
    """
    ids = [str(uuid.uuid4()) for _ in range(images)]
    anyio.run(_write, stack, ids, are_published)
    pending = {"pending": {"$gt": ""}}
    eventually(lambda: stack.database["events"].find_one(pending) is None, 60, "the relay has published all")
    return ids


async def _write(stack: Stack, ids: list[str], are_published: bool) -> None:
    client = mongo.connect(SharedSettings(mongo_url=stack.environment["ALBUM_MONGO_URL"]))
    catalog = Catalog(client, CatalogSettings(database=stack.environment["ALBUM_DATABASE"]))
    wanted = [(image_id, sequence) for sequence in range(1, EVENTS_OF_AN_IMAGE + 1) for image_id in ids]

    async def write(some: list[tuple[str, int]]) -> None:
        def work(transaction: Transaction) -> None:
            for image_id, sequence in some:
                subject = {"owner": "local", "sequence": sequence, "event_at": utc_now()}
                event = _event(image_id, sequence)
                written = catalog.record(transaction, event, subject, "api", Context(actor="local"))
                if not are_published:
                    transaction.update(catalog.events, {"_id": written.id}, {"$set": {"pending": []}})

        await catalog.transact(work)

    try:
        for some in _parts(wanted):
            await write(some)
    finally:
        client.close()


def _parts(wanted: list[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    for start in range(0, len(wanted), TOGETHER):
        yield wanted[start : start + TOGETHER]


def _event(image_id: str, sequence: int) -> Event:
    ids: dict[str, Any] = {"album_id": str(uuid.UUID(int=1)), "image_id": image_id}
    sha256 = hashlib.sha256(image_id.encode()).hexdigest()
    ref = BlobRef(blob_id=image_id, length=1, sha256=sha256, content_type="image/png")
    size: dict[str, Any] = {"generation": 1, "width": 4, "height": 3}
    if sequence == 1:
        return ImageEncoded(**ids, **size, encoded=ref, format="PNG", animated=False, placeholder="")
    if sequence == 2:
        return ThumbnailCreated(**ids, **size, thumbnail=ref, source=ref)
    if sequence == 3:
        failure = {"stage": "thumbnailer", "code": "corrupt-image", "message": "it is damaged"}
        return ImageFailed(**ids, **failure, generation=1, attempts=1)
    return ImageDeleted(**ids)
