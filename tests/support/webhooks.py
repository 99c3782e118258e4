"""Webhooks with their receivers, on a stack with a notifier.

A pytest plugin. ``notified`` (session) is the stack, ``notified_client`` its client, ``hook`` makes webhooks there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from libs.shared.events import utc_now
from tests.support.client import AlbumClient
from tests.support.receiver import Answer, Receiver, receiving
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually


@pytest.fixture(scope="session")
def notified(_stacks: StartStack) -> Iterator[Stack]:
    """An API and a notifier that may call this machine, and that tries again soon.

    It waits for an answer for longer than a busy machine may take to give one: else the calls could not be counted.
    """
    stack = _stacks(
        decoders=0,
        thumbnailers=0,
        ALBUM_NOTIFIER_ALLOW_NETWORKS="127.0.0.1/32",
        ALBUM_NOTIFIER_TIMEOUT_SECONDS="60",
        ALBUM_NOTIFIER_POLL_SECONDS="0.05",
        ALBUM_NOTIFIER_RETRY_FIRST_SECONDS="0.05",
        ALBUM_NOTIFIER_RETRY_LONGEST_SECONDS="0.2",
    )
    stack.start("notifier")
    yield stack
    stack.stop()


@pytest.fixture
def notified_client(notified: Stack) -> Iterator[AlbumClient]:
    with notified.client() as client:
        yield client


@dataclass
class Hook:
    """A webhook with its receiver."""

    client: AlbumClient
    receiver: Receiver
    id: str
    secret: str

    @property
    def card(self) -> dict[str, Any]:
        listed = self.client.post("/webhook/list").json()["webhooks"]
        [card] = [each for each in listed if each["id"] == self.id]
        return dict(card)

    @property
    def deliveries(self) -> list[dict[str, Any]]:
        answer = self.client.post("/webhook/deliveries", webhook_id=self.id)
        found: list[dict[str, Any]] = answer.json()["deliveries"]
        return found

    def states(self) -> list[str]:
        return sorted(delivery["state"] for delivery in self.deliveries)

    def settled(self, *states: str) -> None:
        """Wait until the deliveries are in these states."""
        eventually(lambda: self.states() == sorted(states), what=f"the deliveries are {states}")

    def tried_for_days(self, stack: Stack) -> None:
        """Make what is pending look as if it had been tried for longer than a delivery is."""
        older = {"$set": {"started_at": utc_now() - timedelta(days=2)}}
        stack.database["webhook_deliveries"].update_many({"webhook_id": self.id, "state": "pending"}, older)

    def called(self, count: int) -> None:
        eventually(lambda: len(self.receiver.calls) >= count, what=f"call {count} arrives")


NewHook = Callable[..., Hook]


@pytest.fixture
def hook(notified_client: AlbumClient) -> Iterator[NewHook]:
    """Makes webhooks with receivers; they are gone after the test."""
    with ExitStack() as stack:

        def make(answer: Answer | None = None, **fields: Any) -> Hook:
            receiver = stack.enter_context(receiving(answer))
            body = notified_client.post("/webhook/create", url=receiver.url + "/hook", **fields).json()
            one = Hook(notified_client, receiver, body["webhook"]["id"], body["secret"])
            stack.callback(notified_client.post, "/webhook/delete", webhook_id=one.id)
            return one

        yield make
