"""What the broker says of queues, to those who ask every second for months."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable

import anyio
import pytest
from pydantic import SecretStr

from libs.shared.rabbitmq import Publisher
from libs.shared.topology import DEAD_QUEUE, QueueState

QUESTIONS = 100
EMPTY = QueueState(0, 0)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def publisher(fresh_vhost: Callable[[], str]) -> AsyncIterator[Publisher]:
    publisher = Publisher(SecretStr(fresh_vhost()))
    yield publisher
    await publisher.close()


async def objects_after_asking(publisher: Publisher) -> int:
    for _ in range(QUESTIONS):
        assert await publisher.queue_state(DEAD_QUEUE) == EMPTY
    gc.collect()
    return len(gc.get_objects())


async def test_a_question_leaves_nothing_behind(publisher: Publisher) -> None:
    first = await objects_after_asking(publisher)

    assert await objects_after_asking(publisher) - first < QUESTIONS


async def test_a_queue_that_is_not_there_is_empty_and_does_not_stand_in_the_way_of_other_questions(
    publisher: Publisher,
) -> None:
    answers: list[QueueState] = []
    assert await publisher.queue_state(DEAD_QUEUE) == EMPTY
    link = publisher._link

    async def ask(queue: str) -> None:
        answers.append(await publisher.queue_state(queue))

    async with anyio.create_task_group() as group:
        for queue in ("no.such.queue", DEAD_QUEUE) * 10:
            group.start_soon(ask, queue)

    assert answers == [EMPTY] * 20
    assert link is not None
    assert publisher._link is link
    assert link.is_open
