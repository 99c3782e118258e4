"""How the whole is doing: what metrics, the command line and the operator's page ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import anyio

from libs.catalog import findings
from libs.catalog.catalog import Catalog
from libs.catalog.records import Image, State
from libs.shared.errors import Outage, Refusal
from libs.shared.events import TYPE_PREFIX, Timestamp, utc_now
from libs.shared.mongo import Document, patiently
from libs.shared.subscription import Lag, lags
from libs.shared.topology import QueueState, queue_of

STAGES: dict[State, str] = {"queued": "decoder", "encoded": "thumbnailer"}
"""Which stage an image waits for, by its state."""
PARTS = ("decoder", "thumbnailer", "api")
"""Who takes messages from the pipeline, each from a queue of its own, in the order of an image's journey."""
MOST_COUNTED = 10_000
"""Where counting ends that could take long: more is only said to be more."""
RATE_WINDOW = timedelta(minutes=1)


@dataclass(frozen=True)
class Pulse:
    """What is cheap enough to be asked every few seconds.

    Attributes:
        outbox_pending: events of the log that are not published yet, at most `MOST_COUNTED`.
        outbox_oldest_age_seconds: how long the oldest of them has waited.
        images_stuck: images that the reconciler emitted again and that still stand where they stood.
        dead_letters: how many are kept.
        findings_left: what the last check of the store has found and could not repair.
    """

    outbox_pending: int
    outbox_oldest_age_seconds: float
    images_stuck: int
    dead_letters: int
    findings_left: int


@dataclass(frozen=True)
class InFlight:
    """Images that wait for a stage or are in its hands; ``oldest_seconds`` counts from their last step."""

    stage: str
    count: int
    oldest_seconds: float


@dataclass(frozen=True)
class Failed:
    """How many images failed with a code."""

    code: str
    count: int


@dataclass(frozen=True)
class Letters:
    """How many dead letters a stage has left with one cause."""

    stage: str
    code: str
    count: int


@dataclass(frozen=True)
class Overview:
    """What the catalog says.

    Attributes:
        subscribers: how far behind the event log each one is.
        per_minute: counts the public events of the last minute by routing key.
    """

    at: Timestamp
    pulse: Pulse
    subscribers: list[Lag]
    in_flight: list[InFlight]
    per_minute: dict[str, int]
    failed: list[Failed]
    letters: list[Letters]


async def pulse(catalog: Catalog) -> Pulse:
    """A few counts, each from an index of its own."""
    pending = {"pending": {"$gt": ""}}
    oldest = await catalog.events.find_one(pending, {"at": 1}, sort=[("at", 1)])
    stuck = {"checks": {"$gte": 1}, "state": {"$in": list(STAGES)}}
    return Pulse(
        outbox_pending=await catalog.events.count_documents(pending, limit=MOST_COUNTED) if oldest else 0,
        outbox_oldest_age_seconds=_age(oldest["at"]) if oldest else 0.0,
        images_stuck=await catalog.images.count_documents(stuck, limit=MOST_COUNTED),
        dead_letters=await catalog.dead_letters.estimated_document_count(),
        findings_left=await findings.count_left(catalog),
    )


async def overview(catalog: Catalog) -> Overview:
    """All of it, for a person who looks."""
    return Overview(
        at=utc_now(),
        pulse=await pulse(catalog),
        subscribers=await lags(catalog.database),
        in_flight=await _in_flight(catalog),
        per_minute=await _per_minute(catalog),
        failed=await _failed(catalog),
        letters=await _letters(catalog),
    )


async def longest_wait(catalog: Catalog) -> timedelta:
    """How long the image has waited for its decoder that has waited longest since it was last given to it.

    Those that were given again as they stood still do not count. That is done only while next to nothing waits, so they
    are no backlog, and one whose upload is lost stands still until the next check: no reason to refuse anybody else's.
    """
    wanted = {"state": "queued", "check_at": {"$exists": True}, "checks": {"$in": [None, 0]}}
    image = await patiently(lambda: catalog.images.find_one(wanted, {"check_at": 1}, sort=[("check_at", 1)]))
    return timedelta(0) if image is None else utc_now() - (image["check_at"] - catalog.check_after)


async def queue_states(
    look: Callable[[str], Awaitable[QueueState]], subscribers: Iterable[Lag], within_seconds: float
) -> dict[str, QueueState | None]:
    """The state of each queue of the pipeline and of these subscribers; None where the broker does not answer in time.

    After an outage the next one would not be answered either, and waiting for that takes long.
    """
    names = (*PARTS, *(lag.subscriber for lag in subscribers))
    states: dict[str, QueueState | None] = dict.fromkeys(map(queue_of, names))
    with suppress(Outage), anyio.move_on_after(within_seconds):
        for queue in states:
            states[queue] = await look(queue)
    return states


async def failed_images(catalog: Catalog, code: str, limit: int) -> list[Image]:
    """Images that failed with a code, of whatever owner, those uploaded last first."""
    wanted = {"state": "failed", "code": code}
    documents = await catalog.images.find(wanted).sort("create_date", -1).limit(limit).to_list(None)
    return [Image.model_validate(document) for document in documents]


async def failed_image(catalog: Catalog, image_id: str) -> Image:
    """An image that failed, of whatever owner.

    Raises:
        Refusal: ``job-not-failed``.
    """
    document = await catalog.images.find_one({"_id": image_id, "state": "failed"})
    if document is None:
        raise Refusal("job-not-failed", "there is no such failed job")
    return Image.model_validate(document)


async def _in_flight(catalog: Catalog) -> list[InFlight]:
    found = await _grouped(
        catalog.images,
        {"$match": {"check_at": {"$exists": True}, "state": {"$in": list(STAGES)}}},
        {"$sort": {"check_at": 1}},
        {"$limit": MOST_COUNTED},
        {"$group": {"_id": "$state", "count": {"$sum": 1}, "since": {"$min": {"$last": "$timeline.at"}}}},
    )
    by_state = {group["_id"]: group for group in found}
    lines = []
    for state, stage in STAGES.items():
        group = by_state.get(state)
        lines.append(InFlight(stage, group["count"] if group else 0, _age(group["since"]) if group else 0.0))
    return lines


async def _per_minute(catalog: Catalog) -> dict[str, int]:
    found = await _grouped(
        catalog.events,
        {"$match": {"at": {"$gt": utc_now() - RATE_WINDOW}, "is_public": True}},
        {"$group": {"_id": "$envelope.type", "count": {"$sum": 1}}},
    )
    return {group["_id"].removeprefix(TYPE_PREFIX): group["count"] for group in found}


async def _failed(catalog: Catalog) -> list[Failed]:
    found = await _grouped(
        catalog.images,
        {"$match": {"state": "failed"}},
        {"$group": {"_id": "$code", "count": {"$sum": 1}}},
    )
    return [Failed(group["_id"], group["count"]) for group in found]


async def _letters(catalog: Catalog) -> list[Letters]:
    found = await _grouped(
        catalog.dead_letters,
        {"$match": {"stage": {"$gt": ""}}},
        {"$group": {"_id": {"stage": "$stage", "code": "$code"}, "count": {"$sum": 1}}},
    )
    return [Letters(group["_id"]["stage"], group["_id"]["code"], group["count"]) for group in found]


async def _grouped(collection: Any, *pipeline: Document) -> list[Document]:
    found: list[Document] = await collection.aggregate([*pipeline, {"$sort": {"count": -1, "_id": 1}}]).to_list(None)
    return found


def _age(moment: datetime) -> float:
    return max(0.0, (utc_now() - moment).total_seconds())
