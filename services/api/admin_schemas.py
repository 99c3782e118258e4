"""Bodies of the operator's requests and answers. No names: an operator looks after bytes that are others'."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from libs.catalog.findings import Report
from libs.catalog.status import Overview
from libs.shared.errors import FailureCode
from libs.shared.events import Timestamp
from libs.shared.topology import QueueState
from services.api.schemas import Card, Done, Id, RequestBody, whole

MAX_SHOWN = 1000

Shown = Annotated[int, Field(ge=1, le=MAX_SHOWN, strict=True), BeforeValidator(whole)]


class ListFailed(RequestBody):
    code: FailureCode
    limit: Shown = 100


class ListLetters(RequestBody):
    limit: Shown = 100


class RetryFailed(RequestBody):
    """Which failed jobs to queue again: one, or all that failed with a code."""

    image_id: Id | None = None
    code: FailureCode | None = None


class SomeLetters(RequestBody):
    """Which dead letters are meant: one, or all, and then in so many words."""

    id: Id | None = None
    all: Literal[True] | None = None


class Check(BaseModel):
    """How far a check of the store is, and what it has found so far."""

    started_at: Timestamp
    finished_at: Timestamp | None
    checked: dict[str, int]
    found: dict[str, int]
    bytes: int

    @classmethod
    def of(cls, report: Report) -> Check:
        return cls(
            started_at=report.started_at,
            finished_at=report.finished_at,
            checked=report.checked,
            found={kind: count.found for kind, count in report.findings.items()},
            bytes=sum(count.bytes for count in report.findings.values()),
        )


class StatusAnswer(Done):
    """How the whole is doing: what the catalog says, the queues (null if the broker is away), checks by name."""

    overview: Overview
    queues: dict[str, QueueState | None]
    checks: dict[str, Check]


class FailedJob(Card):
    image_id: str = Field(validation_alias="id")
    album_id: str
    code: str | None
    message: str | None = Field(validation_alias="failure")
    attempts: int
    create_date: Timestamp


class FailedAnswer(Done):
    jobs: list[FailedJob]


class DeadLetter(Card):
    id: str
    at: Timestamp
    stage: str
    code: str
    image_id: str | None
    image_state: str | None
    problem: str | None


class LettersAnswer(Done):
    letters: list[DeadLetter]


class CountAnswer(Done):
    """How many something was, or is being, done to."""

    count: int
