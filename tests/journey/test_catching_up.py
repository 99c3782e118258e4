"""A subscriber that was away, was killed or was not told ends with every event, in order, each once: the audit does."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from libs.shared.topology import queue_of
from tests.support.audit import assert_complete, count, types, wait_for_all, write_events
from tests.support.dying import KillPoint, Mortal
from tests.support.events import delete_queue
from tests.support.stack import StartStack
from tests.support.waiting import eventually

STEPS = {
    "before anything": KillPoint("libs.shared.subscription:Subscription.take", "before"),
    "before the entries": KillPoint("libs.audit.log:AuditLog.head", "after"),
    "after the entries": KillPoint("libs.audit.log:AuditLog.append", "after"),
    "after the position": KillPoint("libs.shared.subscription:Subscription._note", "after"),
    "after the ack": KillPoint("libs.shared.rabbitmq:Delivery.ack", "after"),
}


@pytest.fixture(scope="module")
def mortal(_stacks: StartStack) -> Iterator[Mortal]:
    """An audit that can be told where to die."""
    stack = _stacks(decoders=0, thumbnailers=0)
    mortal = Mortal(stack, "audit")
    mortal.start()
    yield mortal
    stack.stop()


@pytest.mark.parametrize("point", STEPS.values(), ids=STEPS)
def test_a_kill_at_any_step_leaves_nothing_missing_and_nothing_doubled(mortal: Mortal, point: KillPoint) -> None:
    number = mortal.condemn(point)

    write_events(mortal.stack, images=20)

    mortal.dies_in(number)
    wait_for_all(mortal.stack)
    assert_complete(mortal.stack)


def test_whoever_was_away_for_ten_thousand_events_misses_none_though_killed_at_random(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, audits=1)
    stack.processes["audit-0"].stop()
    write_events(stack, images=2500)
    assert stack.database["events"].count_documents({"is_public": True}) == 10_000
    choose = random.Random(6)
    for _ in range(3):
        goal = count(stack) + choose.randrange(1, 2000)
        audit = stack.start("audit")
        eventually(lambda goal=goal: count(stack) >= goal, what="some of it is recorded")  # type: ignore[misc]
        audit.kill()

    stack.start("audit")

    wait_for_all(stack, 60)
    assert_complete(stack)


def test_events_that_no_queue_ever_brought_are_recorded_all_the_same(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, audits=1, ALBUM_AUDIT_CATCH_UP_SECONDS="0.2")

    subjects = write_events(stack, images=3, are_published=False)

    wait_for_all(stack)
    assert_complete(stack)
    assert all(len(types(stack, subject=subject)) == 4 for subject in subjects)


def test_a_queue_that_is_deleted_with_all_that_waits_in_it_costs_nothing(start_stack: StartStack) -> None:
    stack = start_stack(decoders=0, thumbnailers=0, audits=1)
    stack.processes["audit-0"].stop()
    write_events(stack, images=30)
    delete_queue(stack.environment["ALBUM_AMQP_URL"], queue_of("audit"))

    stack.start("audit")

    wait_for_all(stack)
    assert_complete(stack)


def test_two_audits_at_once_write_one_chain(start_stack: StartStack) -> None:
    # Only one is given events by the queue; looking through the log ever again, both are at work all the same.
    stack = start_stack(decoders=0, thumbnailers=0, audits=2, ALBUM_AUDIT_CATCH_UP_SECONDS="0.01")

    write_events(stack, images=200)

    wait_for_all(stack)
    assert_complete(stack)
