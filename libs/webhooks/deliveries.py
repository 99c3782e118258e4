"""Deliveries: an event for a webhook, recorded once, listed and replayed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime

from pymongo import UpdateOne

from libs.shared.errors import Refusal
from libs.shared.events import TYPE_PREFIX, Envelope, rfc3339, utc_now
from libs.shared.mongo import Document, patiently
from libs.shared.pages import Page, newest_first
from libs.webhooks.records import Delivery, Webhook
from libs.webhooks.registry import Registry

PING = TYPE_PREFIX + "webhook.tested.v1"
_SHOWN = {"body": 0}


async def record_deliveries(registry: Registry, events: Sequence[Envelope]) -> int:
    """Make events due to every webhook that wants them, each once however often it comes.

    Returns:
        How many deliveries are new and due.
    """
    owners = list({event.owner for event in events})
    found = await patiently(lambda: registry.webhooks.find({"owner": {"$in": owners}}, {"secret": 0}).to_list(None))
    webhooks = [Webhook.model_validate(document) for document in found]
    upserts = [
        _upsert(registry, webhook, event.id, event.type, event.to_json())
        for event in events
        for webhook in webhooks
        if webhook.wants(event)
    ]
    if not upserts:
        return 0
    return int((await patiently(lambda: registry.deliveries.bulk_write(upserts))).upserted_count)


async def ping(registry: Registry, webhook: Webhook) -> str:
    """Make an event of no album due to a webhook, whatever it filters, for a look at what comes of it.

    Returns:
        The delivery's id.

    Raises:
        Refusal: ``webhook-disabled``.
    """
    _require_enabled(webhook)
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/album/api",
        "type": PING,
        "subject": webhook.id,
        "time": rfc3339(utc_now()),
        "datacontenttype": "application/json",
        "data": {"webhook_id": webhook.id},
    }
    body = json.dumps(event, separators=(",", ":")).encode()
    await patiently(lambda: registry.deliveries.bulk_write([_upsert(registry, webhook, str(event["id"]), PING, body)]))
    return delivery_id(webhook.id, str(event["id"]))


def delivery_id(webhook_id: str, event_id: str) -> str:
    """The id of the one delivery of an event to a webhook."""
    return str(uuid.uuid5(uuid.UUID(webhook_id), event_id))


async def list_deliveries(registry: Registry, webhook: Webhook, limit: int, after: str | None) -> Page[Delivery]:
    """A webhook's deliveries, newest first, each with its last attempts.

    Raises:
        Refusal: ``invalid-request``: ``after`` is not what an earlier page gave as next.
    """
    own = {"webhook_id": webhook.id}
    return await newest_first(registry.deliveries, own, _SHOWN, Delivery.model_validate, limit, after)


async def replay_one(registry: Registry, webhook: Webhook, delivery_id: str) -> None:
    """Deliver once more, whatever came of it before.

    Raises:
        Refusal: ``webhook-disabled`` or ``delivery-not-found``.
    """
    if await _replay(registry, webhook, {"_id": delivery_id}) == 0:
        raise Refusal("delivery-not-found", "this webhook has no such delivery (any more)")


async def replay_since(registry: Registry, webhook: Webhook, since: datetime) -> int:
    """Deliver everything once more that came since a time, also what was skipped; how much that is.

    Raises:
        Refusal: ``webhook-disabled``.
    """
    return await _replay(registry, webhook, {"create_date": {"$gte": since}})


async def _replay(registry: Registry, webhook: Webhook, wanted: Document) -> int:
    _require_enabled(webhook)
    again = {"$set": _due(registry)}
    done = await patiently(lambda: registry.deliveries.update_many({"webhook_id": webhook.id, **wanted}, again))
    return int(done.matched_count)


def _require_enabled(webhook: Webhook) -> None:
    if webhook.reason is not None:
        raise Refusal("webhook-disabled", "the webhook is disabled; enable it first")


def _due(registry: Registry) -> Document:
    """What makes a delivery due now, with all its tries before it."""
    now = utc_now()
    return {"state": "pending", "due_at": now, "started_at": now, "tries": 0, "expire_at": now + registry.retention}


def _upsert(registry: Registry, webhook: Webhook, event_id: str, type: str, body: bytes) -> UpdateOne:
    due = _due(registry)
    if webhook.reason is not None:
        due["state"] = "skipped"
        del due["due_at"]
    new = {
        "webhook_id": webhook.id,
        "event_id": event_id,
        "type": type,
        "body": body.decode(),
        "create_date": due["started_at"],
        "attempts": [],
        **due,
    }
    return UpdateOne({"_id": delivery_id(webhook.id, event_id)}, {"$setOnInsert": new}, upsert=True)
