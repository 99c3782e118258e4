"""Bodies of requests and answers about webhooks."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from libs.shared.events import EVENTS, TYPE_PREFIX, Timestamp
from services.api.schemas import Card, Done, Id, Limit, RequestBody

MAX_URL = 2048
PUBLIC_TYPES = tuple(TYPE_PREFIX + event.routing_key for event in EVENTS if event.is_public)
# What can be told in UTC whatever the offset that it is given with.
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=timezone.utc), datetime(9000, 1, 1, tzinfo=timezone.utc)


def public_type(value: str) -> str:
    """A type that subscribers get to see."""
    if value not in PUBLIC_TYPES:
        raise ValueError(f"a type is one of {', '.join(PUBLIC_TYPES)}")
    return value


Type = Annotated[str, AfterValidator(public_type)]
Moment = Annotated[AwareDatetime, Field(ge=_EARLIEST, le=_LATEST)]


class CreateWebhook(RequestBody):
    url: Annotated[str, Field(min_length=1, max_length=MAX_URL)]
    album_id: Id | None = None
    types: Annotated[list[Type], Field(min_length=1, max_length=len(PUBLIC_TYPES))] | None = None


class OneWebhook(RequestBody):
    webhook_id: Id


class ListDeliveries(OneWebhook):
    limit: Limit = 100
    after: str | None = None


class ReplayWebhook(OneWebhook):
    """Which deliveries are to be made again: one, or all that came ``since`` a time."""

    delivery_id: Id | None = None
    since: Moment | None = None

    @model_validator(mode="after")
    def _names_one_or_since(self) -> ReplayWebhook:
        if (self.delivery_id is None) == (self.since is None):
            raise ValueError("give either delivery_id or since")
        return self


class WebhookCard(Card):
    """A webhook without its secret; ``reason`` is why it is disabled."""

    id: str
    url: str
    album_id: str | None
    types: list[str] | None
    state: str
    reason: str | None
    create_date: Timestamp
    failing_since: Timestamp | None


class WebhookAnswer(Done):
    webhook: WebhookCard


class NewWebhookAnswer(WebhookAnswer):
    secret: str


class WebhooksAnswer(Done):
    webhooks: list[WebhookCard]


class AttemptCard(Card):
    """One try: the status of the answer, or what kept it from coming."""

    at: Timestamp
    duration_seconds: float
    status: int | None
    problem: str | None


class DeliveryCard(Card):
    id: str
    event_id: str
    type: str
    state: str
    create_date: Timestamp
    due_at: Timestamp | None
    attempts: list[AttemptCard]


class DeliveriesAnswer(Done):
    deliveries: list[DeliveryCard]
    next: str | None


class ReplayAnswer(Done):
    count: int


class PingAnswer(Done):
    delivery_id: str
