"""``/webhook/...``: being called when something happens, and a look at what came of it."""

from __future__ import annotations

from fastapi import APIRouter

from libs.catalog.albums import find_album
from libs.shared.pages import made
from libs.webhooks import deliveries, endpoints
from services.api.answers import refusals
from services.api.dependencies import CallerDependency, CoreDependency, ReaderDependency
from services.api.schemas import Done
from services.api.webhook_schemas import (
    CreateWebhook,
    DeliveriesAnswer,
    DeliveryCard,
    ListDeliveries,
    NewWebhookAnswer,
    OneWebhook,
    PingAnswer,
    ReplayAnswer,
    ReplayWebhook,
    WebhookAnswer,
    WebhookCard,
    WebhooksAnswer,
)

router = APIRouter(prefix="/webhook", tags=["webhooks"])

_NO_WEBHOOK = refusals("webhook-not-found")


@router.post(
    "/create",
    status_code=201,
    responses=refusals("album-not-found", "too-many-webhooks", "address-not-allowed"),
)
async def create_webhook(body: CreateWebhook, core: CoreDependency, caller: CallerDependency) -> NewWebhookAnswer:
    """Have a url called for every event of the caller's albums, or of one album, or of some types only.

    The answer holds the secret that the calls are signed with; it is not given again.
    """
    if body.album_id is not None:
        await find_album(core.catalog, caller, body.album_id)
    webhook, secret = await endpoints.create_webhook(core.webhooks, caller.owner, body.url, body.album_id, body.types)
    return NewWebhookAnswer(
        message="webhook created", webhook=WebhookCard.model_validate(webhook), secret=secret.get_secret_value()
    )


@router.post("/list")
async def list_webhooks(core: CoreDependency, caller: ReaderDependency) -> WebhooksAnswer:
    """The caller's webhooks, oldest first."""
    found = await endpoints.list_webhooks(core.webhooks, caller.owner)
    return WebhooksAnswer(
        message="webhooks listed", webhooks=[WebhookCard.model_validate(webhook) for webhook in found]
    )


@router.post("/enable", responses=_NO_WEBHOOK)
async def enable_webhook(body: OneWebhook, core: CoreDependency, caller: CallerDependency) -> WebhookAnswer:
    """Call a disabled webhook again from now on; what it missed can be replayed."""
    webhook = await endpoints.enable_webhook(core.webhooks, caller.owner, body.webhook_id)
    return WebhookAnswer(message="webhook enabled", webhook=WebhookCard.model_validate(webhook))


@router.post("/delete", responses=_NO_WEBHOOK)
async def delete_webhook(body: OneWebhook, core: CoreDependency, caller: CallerDependency) -> Done:
    """Delete a webhook with all that is due to it."""
    await endpoints.delete_webhook(core.webhooks, caller.owner, body.webhook_id)
    return Done(message="webhook deleted")


@router.post("/deliveries", responses=_NO_WEBHOOK)
async def list_deliveries(body: ListDeliveries, core: CoreDependency, caller: ReaderDependency) -> DeliveriesAnswer:
    """What a webhook was or will be told, newest first, each with its last attempts."""
    webhook = await endpoints.find_webhook(core.webhooks, caller.owner, body.webhook_id)
    page = await deliveries.list_deliveries(core.webhooks, webhook, body.limit, body.after)
    cards = await made(DeliveryCard.model_validate, page.items)
    return DeliveriesAnswer(message="deliveries listed", deliveries=cards, next=page.next)


@router.post(
    "/replay", status_code=202, responses=refusals("webhook-not-found", "delivery-not-found", "webhook-disabled")
)
async def replay_webhook(body: ReplayWebhook, core: CoreDependency, caller: CallerDependency) -> ReplayAnswer:
    """Deliver one event again, or all since a time, whatever came of them before."""
    webhook = await endpoints.find_webhook(core.webhooks, caller.owner, body.webhook_id)
    if body.delivery_id is not None:
        await deliveries.replay_one(core.webhooks, webhook, body.delivery_id)
        return ReplayAnswer(message="the delivery is due again", count=1)
    assert body.since is not None
    count = await deliveries.replay_since(core.webhooks, webhook, body.since)
    return ReplayAnswer(message="deliveries are due again", count=count)


@router.post("/test", status_code=202, responses=refusals("webhook-not-found", "webhook-disabled"))
async def ping_webhook(body: OneWebhook, core: CoreDependency, caller: CallerDependency) -> PingAnswer:
    """Send an event of type ``io.album.webhook.tested.v1``; what comes of it is among the deliveries."""
    webhook = await endpoints.find_webhook(core.webhooks, caller.owner, body.webhook_id)
    return PingAnswer(message="a test event is due", delivery_id=await deliveries.ping(core.webhooks, webhook))
