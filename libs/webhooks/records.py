"""What is kept about webhooks and their deliveries, as typed values."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from libs.shared.events import Envelope

Reason = Literal["gone", "failing"]
"""Why a webhook was disabled: it answered 410, or nothing has reached it for days."""
State = Literal["pending", "delivered", "failed", "skipped"]
"""Of a delivery: ``skipped`` came while its webhook was disabled; ``failed`` was given up."""
Problem = Literal[
    "address-not-allowed", "name-not-resolved", "connection-failed", "tls-failed", "timeout", "protocol-error"
]
"""Why an attempt got no answer."""


FAILURES = ("failing_since", "failures", "paused_until")
"""The fields in which a webhook remembers that attempts failed."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Webhook(_Record):
    """Who wants to be told of what, without the secret."""

    id: str = Field(alias="_id")
    owner: str
    url: str
    album_id: str | None
    """The one album whose events it gets; None: all of its owner's."""
    types: list[str] | None
    """The CloudEvents types that it gets; None: all."""
    create_date: datetime
    reason: Reason | None = None
    """Why it is disabled; None: it is not."""
    failing_since: datetime | None = None
    """When the first of the attempts was made that have all failed since the last success."""
    failures: int = 0
    """How many attempts in a row have failed."""
    paused_until: datetime | None = None
    """Until when it is left alone, since it did not answer or asked for time."""

    @property
    def state(self) -> Literal["enabled", "disabled"]:
        return "enabled" if self.reason is None else "disabled"

    def wants(self, event: Envelope) -> bool:
        """Whether it is to be told of an event: of its owner, since its creation, and of its album and types."""
        return (
            event.owner == self.owner
            and event.time >= self.create_date
            and self.album_id in (None, event.data["album_id"])
            and (self.types is None or event.type in self.types)
        )


class SigningWebhook(Webhook):
    """A webhook with the secret that its calls are signed with."""

    secret: SecretStr


class Attempt(_Record):
    """One try to deliver: the status of the answer, or why there was none."""

    at: datetime
    duration_seconds: float
    status: int | None = None
    problem: Problem | None = None

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Delivery(_Record):
    """One event for one webhook, and the last attempts at it."""

    id: str = Field(alias="_id")
    webhook_id: str
    event_id: str
    type: str
    state: State
    create_date: datetime
    due_at: datetime | None = None
    """When it is to be tried (again); None: not any more."""
    attempts: list[Attempt] = []


class Claim(_Record):
    """A delivery that this process has for itself until ``due_at``.

    Attributes:
        body: the event as it was published.
        tries: how many attempts were made before.
        started_at: when it became due, at first or by a replay.
    """

    id: str = Field(alias="_id")
    webhook_id: str
    event_id: str
    body: str
    due_at: datetime
    started_at: datetime
    tries: int
