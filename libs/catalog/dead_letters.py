"""Dead letters: kept with their cause, while the image they were about gets another chance or fails with a code."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from libs.catalog.catalog import Catalog
from libs.catalog.exhaustion import give_up
from libs.catalog.records import Image
from libs.catalog.requests import emit_again, retry
from libs.shared.errors import ContractBreach, Refusal
from libs.shared.events import Attempt, Envelope, ImageEvent, utc_now
from libs.shared.mongo import Document, patiently

BUDGET = 5
"""How many dead letters an image may leave before it fails with ``attempts-exhausted``."""
BATCH = 100
LIMITS = frozenset({"expired", "maxlen"})
"""Reasons that say nothing of the message: its queue has a limit, of age or length, by an operator's policy."""
MOST_BYTES = 1_048_576
"""How much is kept of a letter that cannot be read; a document holds no more than 16 MB."""
_IDS = uuid.UUID("0d8e2a55-6a43-4d4e-8f6e-0b3f8f0d2a9c")

Outcome = Literal["queued", "ready", "deleted", "unreadable", "lost"]
"""What a retry came to: the image is queued again; or there is nothing to retry, since it is ready or deleted, since
the letter is not about an image, since it or the image's record cannot be read, or since neither upload nor picture are
left.
"""


@dataclass(frozen=True)
class Letter:
    """One dead letter.

    Attributes:
        id: names this letter alone: one message that died in two queues left two.
        code: why it died: ``contract-breach`` if it cannot be read, ``bug`` if nothing could be done about it for
            reasons of ours, else the broker's reason in kebab case.
        problem: what is wrong with a message that cannot be read.
        body: the message itself, if it cannot be read; otherwise ``envelope`` holds it.
        image_state: how the image it was about stands today; None if there is none (any more).
    """

    id: str
    at: datetime
    queue: str
    stage: str
    code: str
    image_id: str | None
    problem: str | None
    body: bytes | None
    envelope: Document | None
    image_state: str | None


@dataclass(frozen=True)
class Selection:
    """Which letters are meant; nothing given means all."""

    id: str | None = None
    stage: str | None = None
    code: str | None = None

    @property
    def query(self) -> Document:
        """The letters as the database selects them."""
        asked = {"_id": self.id, "stage": self.stage, "code": self.code}
        return {name: value for name, value in asked.items() if value is not None}


async def bury(catalog: Catalog, body: bytes, queue: str, reason: str) -> str | None:
    """Keep a dead letter and see to its image. Safe to repeat.

    Args:
        catalog: the catalog.
        body: the message as it was.
        queue: the queue it died in.
        reason: why, in the broker's words: ``delivery_limit``, ``rejected``.

    Returns:
        The image that is given to its stage again, or given up, if any.
    """
    try:
        envelope = Envelope.from_json(body)
        event = envelope.event()
    except ContractBreach as breach:
        await set_aside(catalog, body, queue, "contract-breach", breach.message)
        return None
    about = {"image_id": event.image_id} if isinstance(event, ImageEvent) else {}
    kept = {"envelope": envelope.model_dump(mode="json", exclude_none=True), **about}
    is_limit = reason in LIMITS
    # However often a limit throws out an image's messages, one letter tells of it.
    named = envelope.subject.encode() if is_limit else body
    await _keep(catalog, named, queue, reason.replace("_", "-"), kept)
    if not isinstance(event, Attempt):
        return None
    wanted = {"_id": event.image_id, "generation": event.generation, "state": {"$in": ["queued", "encoded"]}}
    if is_limit:
        # No stage has seen it, so nothing is counted; and by the reconciler, lest a short limit make a fast circle.
        due = await catalog.images.update_one(wanted, {"$set": {"check_at": utc_now()}})
        return event.image_id if due.matched_count else None
    document = await catalog.images.find_one(wanted)
    if document is None:
        return None
    image, deaths = Image.model_validate(document), document.get("deaths", 0) + 1
    if deaths < BUDGET:
        await emit_again(catalog, image, 0, envelope.context, is_after_death=True)
    else:
        stage = _stage(queue)
        message = f"the {stage} gave up on it {deaths} times"
        await give_up(catalog, image, stage, message, image.generation, envelope.context)
    return image.id


async def set_aside(catalog: Catalog, body: bytes, queue: str, code: str, problem: str) -> None:
    """Keep a dead letter, or the beginning of it, and do nothing about its image. Safe to repeat."""
    await _keep(catalog, body, queue, code, {"body": body[:MOST_BYTES], "problem": problem})


async def letters(catalog: Catalog, selection: Selection, limit: int | None = None) -> AsyncIterator[Letter]:
    """The selected letters, newest first, each with the present state of its image."""
    cursor = catalog.dead_letters.find(selection.query).sort([("at", -1), ("_id", -1)]).limit(limit or 0)
    while batch := await cursor.to_list(BATCH):
        ids = [document["image_id"] for document in batch if "image_id" in document]
        found = await catalog.images.find({"_id": {"$in": ids}}, {"state": 1}).to_list(None)
        states = {image["_id"]: image["state"] for image in found}
        for document in batch:
            yield _letter(document, states.get(document.get("image_id")))


async def retry_letters(catalog: Catalog, selection: Selection) -> AsyncIterator[tuple[Letter, Outcome]]:
    """Queue the images of the selected letters again, whether failed meanwhile or waiting, with a whole new budget.

    All letters about an image go when it is queued; where nothing is, the letter stays.
    """
    async for letter in letters(catalog, selection):
        # Another letter about the same image may have taken this one along.
        if await catalog.dead_letters.find_one({"_id": letter.id}, {"_id": 1}):
            yield letter, await _retry(catalog, letter)


async def _retry(catalog: Catalog, letter: Letter) -> Outcome:
    if letter.image_id is None:
        return "unreadable"
    image_id = letter.image_id
    await patiently(lambda: catalog.images.update_one({"_id": image_id}, {"$unset": {"deaths": ""}}))
    while True:
        document = await patiently(lambda: catalog.images.find_one({"_id": image_id}))
        if document is None or document["state"] in ("deleted", "receiving"):
            return "deleted"
        try:
            image = Image.model_validate(document)
        except ValidationError:
            return "unreadable"
        if image.state == "ready":
            return "ready"
        if not image.is_workable:
            return "lost"
        if await _queue_again(catalog, image):
            await patiently(lambda: catalog.dead_letters.delete_many({"image_id": image_id}))
            return "queued"


async def drop(catalog: Catalog, selection: Selection) -> int:
    """Remove the selected letters; returns how many. Their images stay as they are."""
    result = await patiently(lambda: catalog.dead_letters.delete_many(selection.query))
    return int(result.deleted_count)


async def _queue_again(catalog: Catalog, image: Image) -> bool:
    """Whether it was queued; not if it moved on since it was read."""
    if image.state != "failed":
        return await emit_again(catalog, image, 0, image.context)
    try:
        await retry(catalog, image, image.context)
    except Refusal:
        return False
    return True


async def _keep(catalog: Catalog, named: bytes, queue: str, code: str, what: Document) -> None:
    # The same message dead in the same queue is the same letter, so that burying it twice keeps one.
    letter_id = str(uuid.uuid5(_IDS, queue + "\0" + named.hex()))
    letter: Document = {"at": utc_now(), "queue": queue, "stage": _stage(queue), "code": code, **what}
    await catalog.dead_letters.replace_one({"_id": letter_id}, letter, upsert=True)


def _stage(queue: str) -> str:
    """The stage of a queue that is named as `libs.shared.topology.queue_of` names them."""
    return queue.removeprefix("album.").partition(".")[0]


def _letter(document: Document, image_state: str | None) -> Letter:
    return Letter(
        id=document["_id"],
        at=document["at"],
        queue=document["queue"],
        stage=document["stage"],
        code=document["code"],
        image_id=document.get("image_id"),
        problem=document.get("problem"),
        body=document.get("body"),
        envelope=document.get("envelope"),
        image_state=image_state,
    )
