"""Uploads that an outage ended, and kept from being undone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio

from libs.shared.worker import wait_out

MOST = 1000
"""How many are remembered; of more the leases run out, as of those that a process leaves behind when it ends."""

Undo = Callable[[], Awaitable[None]]


class Leftovers:
    """Undoes them once the database is back, so that nobody who repeats an upload is told that it is under way."""

    def __init__(self) -> None:
        self._send, self._receive = anyio.create_memory_object_stream[Undo](MOST)

    def add(self, undo: Undo) -> None:
        """Remember what is left of an upload by what undoes it, which may be called more than once."""
        with suppress(anyio.WouldBlock):
            self._send.send_nowait(undo)

    async def run(self) -> None:
        """Undo what is added until cancelled, one after the other."""
        async for undo in self._receive:
            await wait_out(undo)
