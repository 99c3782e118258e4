"""The notifier against real receivers that fail, hang, lie and come back, and that outlive it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from libs.shared.events import rfc3339, utc_now
from tests.journey import expect
from tests.support.client import AlbumClient
from tests.support.receiver import hang, raw, status
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tests.support.webhooks import NewHook


@contextmanager
def restarted(stack: Stack, **settings: str) -> Iterator[None]:
    """The notifier with other settings, and in the end with its own again."""
    usual = dict(stack.environment)
    stack.processes["notifier-0"].stop()
    stack.environment |= {f"ALBUM_NOTIFIER_{name}": value for name, value in settings.items()}
    try:
        stack.start("notifier")
        yield
        stack.processes["notifier-0"].stop()
    finally:
        stack.environment.clear()
        stack.environment |= usual
        stack.start("notifier")


def test_a_receiver_that_fails_hangs_and_lies_is_tried_until_it_comes_back(
    notified: Stack, notified_client: AlbumClient, hook: NewHook
) -> None:
    release = threading.Event()
    one = hook()
    one.receiver.script += [status(500), hang(release), raw(b"nonsense"), status(302, location="http://127.0.0.1/")]

    with restarted(notified, TIMEOUT_SECONDS="3"):
        notified_client.create()
        one.settled("delivered")
    release.set()

    [delivery] = one.deliveries
    attempts = [(attempt["status"], attempt["problem"]) for attempt in delivery["attempts"]]
    assert attempts == [(500, None), (None, "timeout"), (None, "protocol-error"), (302, None), (204, None)]
    assert delivery["due_at"] is None
    assert len({call.id for call in one.receiver.calls}) == 1
    for call in one.receiver.calls:
        call.verify(one.secret)
    assert one.card["failing_since"] is None


def test_a_receiver_that_never_answers_well_is_given_up_and_a_replay_tries_again(
    notified: Stack, notified_client: AlbumClient, hook: NewHook
) -> None:
    one = hook(status(404))
    notified_client.create()
    one.called(5)
    one.tried_for_days(notified)
    one.settled("failed")
    [given_up] = one.deliveries
    tries = len(one.receiver.calls)

    one.receiver.answer = status(200)
    answer = notified_client.post("/webhook/replay", webhook_id=one.id, delivery_id=given_up["id"])
    assert expect.succeeded(answer, 202, "count")["count"] == 1
    one.settled("delivered")

    assert len(one.receiver.calls) == tries + 1
    assert set(one.receiver.ids) == {given_up["event_id"]}


def test_a_receiver_that_is_gone_is_not_called_again_until_it_is_enabled(
    notified_client: AlbumClient, hook: NewHook
) -> None:
    began = rfc3339(utc_now())
    one = hook(status(410))
    notified_client.create()
    eventually(lambda: one.card["state"] == "disabled", what="the webhook is disabled")
    notified_client.create()
    one.settled("failed", "skipped")
    assert one.card["reason"] == "gone"
    assert len(one.receiver.calls) == 1
    expect.failed(notified_client.post("/webhook/replay", webhook_id=one.id, since=began), 409, "webhook-disabled")
    expect.failed(notified_client.post("/webhook/test", webhook_id=one.id), 409, "webhook-disabled")

    one.receiver.answer = status(204)
    enabled = expect.succeeded(notified_client.post("/webhook/enable", webhook_id=one.id), 200, "webhook")["webhook"]
    assert (enabled["state"], enabled["reason"]) == ("enabled", None)
    replayed = notified_client.post("/webhook/replay", webhook_id=one.id, since=began)
    assert expect.succeeded(replayed, 202, "count")["count"] == 2
    one.settled("delivered", "delivered")


def test_a_webhook_that_has_failed_for_days_is_disabled(
    notified: Stack, notified_client: AlbumClient, hook: NewHook
) -> None:
    one = hook(status(500))
    notified_client.create()
    one.called(1)
    old = utc_now() - timedelta(days=6)
    notified.database["webhooks"].update_one({"_id": one.id}, {"$set": {"failing_since": old}})
    one.called(len(one.receiver.calls) + 2)
    one.tried_for_days(notified)

    eventually(lambda: one.card["state"] == "disabled", what="the webhook is disabled")

    assert one.card["reason"] == "failing"
    assert one.states() == ["failed"]


def test_receivers_that_hang_do_not_delay_the_others(
    notified: Stack, notified_client: AlbumClient, hook: NewHook
) -> None:
    release = threading.Event()
    slow = [hook(hang(release)) for _ in range(3)]
    fast = hook()
    patient = {"TIMEOUT_SECONDS": "100", "CONCURRENCY": "8", "WEBHOOK_CONCURRENCY": "2"}

    with restarted(notified, **patient):
        for _ in range(20):
            notified_client.create()
        fast.settled(*["delivered"] * 20)
        eventually(lambda: [len(one.receiver.calls) for one in slow] == [2, 2, 2], what="two calls hang at each")
        answered = [state for one in slow for state in one.states() if state != "pending"]
        release.set()

    assert answered == []


def test_what_a_notifier_was_sending_when_it_was_killed_is_sent_again(
    notified: Stack, notified_client: AlbumClient, hook: NewHook
) -> None:
    release = threading.Event()
    one = hook()
    one.receiver.script += [hang(release)]
    with restarted(notified, TIMEOUT_SECONDS="4"):
        notified_client.create()
        one.called(1)

        notified.processes["notifier-0"].kill()
        claimed = {"webhook_id": one.id, "due_at": {"$gt": utc_now()}}
        over = notified.database["webhook_deliveries"].update_one(claimed, {"$set": {"due_at": utc_now()}})
        assert over.modified_count == 1
        waiting = [notified_client.create() for _ in range(3)]
        notified.start("notifier")
        one.settled(*["delivered"] * 4)
    release.set()

    again = [id for id in one.receiver.ids if id == one.receiver.ids[0]]
    assert len(again) == 2
    assert set(waiting) < {call.event.subject for call in one.receiver.calls}


def test_a_notifier_that_is_told_to_stop_finishes_the_call_under_way(
    notified: Stack, notified_client: AlbumClient, hook: NewHook
) -> None:
    release = threading.Event()
    one = hook(hang(release, then=status(204)))
    notified_client.create()
    one.called(1)

    def stops() -> int:
        return notified.log("notifier-0").count("stopping")

    before = stops()
    ending = threading.Thread(target=notified.processes["notifier-0"].stop)
    ending.start()
    eventually(lambda: stops() > before, what="the notifier stops")
    release.set()
    ending.join()

    assert one.states() == ["delivered"]
    assert len(one.receiver.calls) == 1
    notified.start("notifier")


def test_several_notifiers_share_the_work_and_call_once_each(
    notified: Stack, notified_client: AlbumClient, hook: NewHook
) -> None:
    one = hook()
    second = notified.start("notifier", 1)

    albums = {notified_client.create() for _ in range(30)}
    one.settled(*["delivered"] * 30)
    second.stop()

    assert sorted(call.event.subject for call in one.receiver.calls) == sorted(albums)
