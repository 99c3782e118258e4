"""What senders share: which webhooks have something due, who sends it, and what came of it.

A sender claims a delivery by moving its ``due_at`` on. If it dies, the delivery becomes due again; if it is late,
its word no longer counts, since the time is not the one that it set.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.shared.events import utc_now
from libs.shared.mongo import Document, patiently
from libs.webhooks.records import FAILURES, Attempt, Claim, Reason, SigningWebhook, State
from libs.webhooks.registry import Registry

KEPT_ATTEMPTS = 20


@dataclass(frozen=True)
class Verdict:
    """What follows from a failed attempt.

    Attributes:
        retry_at: when to try again; None: this delivery is given up.
        paused_until: until when to leave the webhook alone; None: others may follow at once.
        reason: why the webhook is disabled; None: it is not.
    """

    retry_at: datetime | None = None
    paused_until: datetime | None = None
    reason: Reason | None = None


async def webhooks_with_due(registry: Registry) -> list[str]:
    """The ids of the webhooks to which something is due."""
    ids: list[str] = await patiently(lambda: registry.deliveries.distinct("webhook_id", due_now()))
    return ids


def due_now() -> Document:
    """Deliveries that are due, to any webhook, asked so that the index answers with one step for each of these."""
    return {"webhook_id": {"$gt": ""}, "due_at": {"$lte": utc_now()}}


async def callable_webhook(registry: Registry, webhook_id: str) -> SigningWebhook | None:
    """The webhook if it may be called now. What is due to one that is disabled or gone is put aside."""
    document = await patiently(lambda: registry.webhooks.find_one({"_id": webhook_id}))
    if document is None:
        await patiently(lambda: registry.deliveries.delete_many({"webhook_id": webhook_id}))
        return None
    webhook = SigningWebhook.model_validate(document)
    if webhook.reason is not None:
        pending = {"webhook_id": webhook_id, "due_at": {"$exists": True}}
        skipped = _settled("skipped")
        await patiently(lambda: registry.deliveries.update_many(pending, skipped))
        return None
    is_paused = webhook.paused_until is not None and webhook.paused_until > utc_now()
    return None if is_paused else webhook


async def claim(registry: Registry, webhook_id: str, lease: timedelta) -> Claim | None:
    """Take the delivery that has been due longest for ``lease``; None if nothing is due."""
    now = utc_now()
    document = await patiently(
        lambda: registry.deliveries.find_one_and_update(
            {"webhook_id": webhook_id, "due_at": {"$lte": now}},
            {"$set": {"due_at": now + lease}},
            sort=[("due_at", 1)],
            return_document=True,
        )
    )
    return None if document is None else Claim.model_validate(document)


async def note_success(registry: Registry, webhook: SigningWebhook, claimed: Claim, attempt: Attempt) -> None:
    """Settle a delivery; whatever failed before is forgiven."""
    await _note(registry, claimed, attempt, _settled("delivered"))
    if webhook.failures:
        forgiven = {"$unset": dict.fromkeys(FAILURES, "")}
        await patiently(lambda: registry.webhooks.update_one({"_id": webhook.id}, forgiven))


async def note_failure(
    registry: Registry, webhook: SigningWebhook, claimed: Claim, attempt: Attempt, verdict: Verdict
) -> None:
    """Note a failed attempt and what follows from it."""
    again = {"$set": {"due_at": verdict.retry_at}}
    await _note(registry, claimed, attempt, _settled("failed") if verdict.retry_at is None else again)
    changes: Document = {"$inc": {"failures": 1}, "$min": {"failing_since": attempt.at}}
    decided = {"paused_until": verdict.paused_until, "reason": verdict.reason}
    if known := {name: value for name, value in decided.items() if value is not None}:
        changes["$set"] = known
    await patiently(lambda: registry.webhooks.update_one({"_id": webhook.id}, changes))


async def _note(registry: Registry, claimed: Claim, attempt: Attempt, changes: Document) -> None:
    mine = {"_id": claimed.id, "due_at": claimed.due_at}
    kept = {"$each": [attempt.model_dump(exclude_none=True)], "$slice": -KEPT_ATTEMPTS}
    update = {**changes, "$push": {"attempts": kept}, "$inc": {"tries": 1}}
    await patiently(lambda: registry.deliveries.update_one(mine, update))


def _settled(state: State) -> Document:
    return {"$set": {"state": state}, "$unset": {"due_at": ""}}
