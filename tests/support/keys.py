"""API keys for tests: made as an operator makes them, and clients that use them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.client import AlbumClient, connect
from tests.support.operator import succeeded
from tests.support.stack import Stack, StartStack
from tests.support.waiting import eventually


def make_key(stack: Stack, owner: str, scopes: str = "read,write", *options: str) -> str:
    """The token of a new key."""
    [made] = succeeded(stack.environment, "keys", "create", "--owner", owner, "--scopes", scopes, *options)
    token: str = made["key"]
    return token


def with_key(stack: Stack, token: str) -> AlbumClient:
    """A client that shows a key; close it."""
    return AlbumClient(connect(stack.url, headers={"authorization": f"Bearer {token}"}))


def keys_are_demanded(stack: Stack) -> None:
    """Wait until a server has noticed that there are keys."""
    with stack.client() as client:
        eventually(lambda: client.post("/album/list").status_code == 401, 10, "keys are demanded")


@contextmanager
def guarded_stack(start: StartStack, **counts: int) -> Iterator[Stack]:
    """A stack that demands keys; the first one was Anna's."""
    started = start(**counts)
    make_key(started, "anna")
    keys_are_demanded(started)
    yield started
    started.stop()
