"""The message loop: what becomes of a message, and in which order."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
import pytest

from libs.shared import worker as worker_module
from libs.shared.errors import Outage, Rejection
from libs.shared.events import (
    BlobRef,
    Context,
    Envelope,
    Event,
    ImageDeleted,
    ImageFailed,
    ImageUploaded,
    work_envelope,
)
from libs.shared.worker import BUG_REDELIVERIES, Worker

pytestmark = pytest.mark.anyio

ORIGINAL = BlobRef(blob_id="original", length=1, sha256="0" * 64, content_type="image/jpeg")
UPLOADED = ImageUploaded(album_id="album", image_id="image", generation=1, original=ORIGINAL)


@dataclass
class InHand:
    """A message that a queue would give, and what happens to it and to its answer, step by step."""

    event: Event = UPLOADED
    redeliveries: int = 0
    steps: list[str] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return work_envelope(self.event, "api", Context()).to_json()

    async def ack(self) -> None:
        self.steps.append("acked")

    async def reject(self, *, requeue: bool) -> None:
        self.steps.append("given back" if requeue else "parked")


class Decoder:
    """A stage that notes its steps with its message's, and meets these errors first."""

    def __init__(self, message: InHand, *, in_work: tuple[Exception, ...] = (), in_publish: tuple[Exception, ...] = ()):
        self._message = message
        self._in_work, self._in_publish = list(in_work), list(in_publish)
        self.published: list[Event] = []
        self.worker = Worker("decoder", [ImageUploaded], self._work, self._publish)

    async def _work(self, envelope: Envelope, event: Event) -> Event | None:
        self._message.steps.append("worked")
        if self._in_work:
            raise self._in_work.pop(0)
        return ImageDeleted(album_id="album", image_id="image")

    async def _publish(self, envelope: Envelope) -> None:
        self._message.steps.append("published")
        if self._in_publish:
            raise self._in_publish.pop(0)
        self.published.append(envelope.event())


async def test_a_message_is_acked_when_its_answer_is_published_and_not_before() -> None:
    message = InHand()

    assert await Decoder(message).worker.handle_message(message) is None

    assert message.steps == ["worked", "published", "acked"]


async def test_an_answer_that_an_outage_keeps_back_is_published_later_and_not_made_anew() -> None:
    message = InHand()

    await Decoder(message, in_publish=(Outage("away"),)).worker.handle_message(message)

    assert message.steps == ["worked", "published", "published", "acked"]


async def test_work_that_an_outage_ends_is_done_once_that_is_over() -> None:
    message = InHand()

    await Decoder(message, in_work=(Outage("away"),)).worker.handle_message(message)

    assert message.steps == ["worked", "worked", "published", "acked"]


async def test_a_rejection_is_answered_with_the_failure_of_this_attempt() -> None:
    message = InHand(UPLOADED.model_copy(update={"generation": 3}))
    decoder = Decoder(message, in_work=(Rejection("corrupt-image", "it is damaged"),))

    await decoder.worker.handle_message(message)

    [answer] = decoder.published
    assert isinstance(answer, ImageFailed)
    assert (answer.generation, answer.attempts) == (3, 3)
    assert (answer.stage, answer.code, answer.message) == ("decoder", "corrupt-image", "it is damaged")
    assert message.steps == ["worked", "published", "acked"]


@pytest.mark.parametrize(
    ("redeliveries", "end"),
    [(0, "given back"), (BUG_REDELIVERIES - 1, "given back"), (BUG_REDELIVERIES, "parked")],
)
async def test_a_message_that_meets_a_bug_comes_back_a_few_times_and_is_parked_then(
    monkeypatch: pytest.MonkeyPatch, redeliveries: int, end: str
) -> None:
    monkeypatch.setattr(worker_module, "SUSPECT_SECONDS", 0)
    message = InHand(redeliveries=redeliveries)

    assert await Decoder(message, in_work=(KeyError("a bug"),)).worker.handle_message(message) == "KeyError"

    assert message.steps == ["worked", end]


async def test_a_message_that_is_no_business_of_the_stage_is_parked_at_once() -> None:
    message = InHand(ImageDeleted(album_id="album", image_id="image"))

    assert await Decoder(message).worker.handle_message(message) == "ContractBreach"

    assert message.steps == ["parked"]


async def test_messages_that_came_back_are_worked_on_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "SUSPECT_SECONDS", 0)
    under_way: list[int] = []
    most = 0

    async def work(envelope: Envelope, event: Event) -> None:
        nonlocal most
        under_way.append(1)
        most = max(most, len(under_way))
        await anyio.wait_all_tasks_blocked()
        under_way.pop()

    worker = Worker("decoder", [ImageUploaded], work)
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(worker.handle_message, InHand(redeliveries=1))

    assert most == 1
