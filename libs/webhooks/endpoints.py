"""Registering webhooks, listing and removing them, as their owners ask for it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from pydantic import SecretStr

from libs.shared.errors import Refusal
from libs.shared.events import utc_now
from libs.shared.mongo import Document, patiently
from libs.webhooks.addresses import canonical_url
from libs.webhooks.records import FAILURES, Webhook
from libs.webhooks.registry import Registry
from libs.webhooks.signing import new_secret

MAX_PER_OWNER = 100
"""Each of them is called for each event."""
_SHOWN = {"secret": 0}


def webhook_not_found() -> Refusal:
    return Refusal("webhook-not-found", "there is no such webhook")


async def create_webhook(
    registry: Registry, owner: str, url: str, album_id: str | None, types: Sequence[str] | None
) -> tuple[Webhook, SecretStr]:
    """Register a webhook; its secret is given this once.

    Raises:
        Refusal: ``invalid-request``, ``address-not-allowed`` or ``too-many-webhooks``.
    """
    secret = new_secret()
    document: Document = {
        "_id": str(uuid.uuid4()),
        "owner": owner,
        "url": canonical_url(url, registry.policy),
        "album_id": album_id,
        "types": None if types is None else sorted(set(types)),
        "create_date": utc_now(),
        "secret": secret.get_secret_value(),
    }
    if await patiently(lambda: registry.webhooks.count_documents({"owner": owner})) >= MAX_PER_OWNER:
        raise Refusal("too-many-webhooks", f"there are {MAX_PER_OWNER} webhooks already; delete one first")
    await registry.webhooks.insert_one(document)
    return Webhook.model_validate(document), secret


async def find_webhook(registry: Registry, owner: str | None, webhook_id: str) -> Webhook:
    """The webhook, if it is the owner's, or anybody's.

    Raises:
        Refusal: ``webhook-not-found``.
    """
    wanted = {"_id": webhook_id, **_of(owner)}
    document = await patiently(lambda: registry.webhooks.find_one(wanted, _SHOWN))
    if document is None:
        raise webhook_not_found()
    return Webhook.model_validate(document)


async def list_webhooks(registry: Registry, owner: str | None = None) -> list[Webhook]:
    """The owner's webhooks, or everybody's, oldest first."""
    query = registry.webhooks.find(_of(owner), _SHOWN).sort([("owner", 1), ("create_date", 1)])
    return [Webhook.model_validate(document) for document in await patiently(lambda: query.clone().to_list(None))]


async def enable_webhook(registry: Registry, owner: str, webhook_id: str) -> Webhook:
    """Call a webhook (again) from now on, as if nothing had failed; what it missed is for a replay.

    Raises:
        Refusal: ``webhook-not-found``.
    """
    forgotten = dict.fromkeys(("reason", *FAILURES), "")
    document = await patiently(
        lambda: registry.webhooks.find_one_and_update(
            {"_id": webhook_id, "owner": owner}, {"$unset": forgotten}, _SHOWN, return_document=True
        )
    )
    if document is None:
        raise webhook_not_found()
    return Webhook.model_validate(document)


async def delete_webhook(registry: Registry, owner: str, webhook_id: str) -> None:
    """Remove a webhook with its deliveries.

    Raises:
        Refusal: ``webhook-not-found``.
    """
    await find_webhook(registry, owner, webhook_id)
    # The webhook last, so that whoever is interrupted can ask again.
    await patiently(lambda: registry.deliveries.delete_many({"webhook_id": webhook_id}))
    await patiently(lambda: registry.webhooks.delete_one({"_id": webhook_id}))


def _of(owner: str | None) -> Document:
    return {} if owner is None else {"owner": owner}
