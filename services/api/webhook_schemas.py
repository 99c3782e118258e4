"""Bodies of requests and answers about webhooks."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from libs.shared.events import EVENTS, TYPE_PREFIX, Timestamp
from services.api.schemas import After, Card, Done, Id, Limit, Next, RequestBody

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
    """Where to POST events: http or https, at an address of the public internet."""
    album_id: Id | None = None
    """The one album to tell of; without it all of the caller's."""
    types: Annotated[list[Type], Field(min_length=1, max_length=len(PUBLIC_TYPES))] | None = None
    """The types of events to tell of, such as `io.album.thumbnail.created.v1`; without it all."""


class OneWebhook(RequestBody):
    webhook_id: Id


class ListDeliveries(OneWebhook):
    limit: Limit = 100
    after: After = None


class ReplayWebhook(OneWebhook):
    """Which deliveries are to be made again: one, or all that came ``since`` a time."""

    delivery_id: Id | None = None
    since: Moment | None = None
    """A time with its zone."""

    @model_validator(mode="after")
    def _names_one_or_since(self) -> ReplayWebhook:
        if (self.delivery_id is None) == (self.since is None):
            raise ValueError("give either delivery_id or since")
        return self


class WebhookCard(Card):
    """A webhook without its secret."""

    id: str
    url: str
    album_id: str | None
    types: list[str] | None
    """Null for all."""
    state: str
    """`enabled` or `disabled`."""
    reason: str | None
    """Why it is disabled: `gone` (the receiver answered 410) or `failing` (for days); null if it is not."""
    create_date: Timestamp
    failing_since: Timestamp | None
    """Since when no attempt has succeeded, null if the last one has."""


class WebhookAnswer(Done):
    webhook: WebhookCard


class NewWebhookAnswer(WebhookAnswer):
    secret: str
    """What its calls are signed with; it is not shown again."""


class WebhooksAnswer(Done):
    webhooks: list[WebhookCard]


class AttemptCard(Card):
    """One try."""

    at: Timestamp
    duration_seconds: float
    status: int | None
    """Of the answer, null if there was none."""
    problem: str | None
    """What kept the answer from coming."""


class DeliveryCard(Card):
    id: str
    event_id: str
    type: str
    state: str
    """`pending`, `delivered`, `failed` (given up) or `skipped` (the webhook was disabled)."""
    create_date: Timestamp
    due_at: Timestamp | None
    """When it is tried next, null if it is not."""
    attempts: list[AttemptCard]
    """The last 20."""


class DeliveriesAnswer(Done):
    deliveries: list[DeliveryCard]
    next: Next


class ReplayAnswer(Done):
    count: int
    """How many deliveries are made again."""


class PingAnswer(Done):
    delivery_id: str
