"""A private server on this machine: start it, wait for it, and do to it what a bad day would.

::

    with running(mongod.prepare(data_dir), rabbitmq.prepare(data_dir)) as (database, broker):
        connect(database.url, broker.url)
        broker.kill()
        broker.restart()
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.process import Process

POLL_SECONDS = 0.05
SHOWN_LINES = 12
# How mongod's JSON log marks errors and fatal ones, and RabbitMQ's its own.
COMPLAINT = re.compile(r'"s":"[EF]"|\[(error|critical)\]')


class NodeFailed(Exception):
    """A server did not come up; the message says which, why, and shows the end of its log."""


class Node:
    """One server and the processes it is made of, the server itself last."""

    def __init__(
        self, name: str, url: str, processes: Sequence[Process], *, logs: Sequence[Path], is_ready: Callable[[], bool]
    ) -> None:
        """Describe the server; ``is_ready`` answers whether clients can work with it now."""
        self.name = name
        self.url = url
        self.logs = logs
        self.companions = processes[:-1]
        self._server = processes[-1]
        self._is_ready = is_ready

    @property
    def pid(self) -> int:
        """The id of the server's process."""
        return self._server.pid

    @property
    def is_running(self) -> bool:
        """Whether all of its processes run; a paused server counts as running."""
        return all(process.is_running for process in (*self.companions, self._server))

    @property
    def exit_code(self) -> int | None:
        """How the server's process ended, as ``Process.exit_code`` says it."""
        return self._server.exit_code

    def start(self) -> None:
        """Start what does not run. Returns at once: ``wait_until_ready`` waits."""
        for process in (*self.companions, self._server):
            process.start()

    def is_ready(self) -> bool:
        """Whether clients can work with it now."""
        return self.is_running and self._is_ready()

    def wait_until_ready(self, timeout_seconds: float = 90.0) -> None:
        """Return when clients can work with the server.

        Raises:
            NodeFailed: it ended, or the time is over.
        """
        deadline = time.monotonic() + timeout_seconds
        while not self._is_ready():
            if not self.is_running:
                raise NodeFailed(self._describe(f"ended with exit code {self.exit_code} before it was ready"))
            if time.monotonic() > deadline:
                raise NodeFailed(self._describe(f"is not ready after {timeout_seconds:g} seconds"))
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End the server as its makers want it ended, then its companions."""
        for process in (self._server, *reversed(self.companions)):
            process.stop()

    def kill(self) -> None:
        """End the server at once, as a power cut would."""
        self._server.kill()

    def pause(self) -> None:
        """Freeze the server: its connections stay open and nothing answers."""
        self._server.pause()

    def resume(self) -> None:
        """Let a paused server go on."""
        self._server.resume()

    def restart(self) -> None:
        """Stop the server if it runs, start it again at the same url, and wait until it is ready."""
        self.stop()
        self.start()
        self.wait_until_ready()

    def _describe(self, what: str) -> str:
        lines = [line for log in self.logs for line in log.read_text(errors="replace").splitlines()]
        # Of complaints the first names the cause; without any, the end says how far it came.
        telling = [line for line in lines if COMPLAINT.search(line)][:SHOWN_LINES] or lines[-SHOWN_LINES:]
        where = " and ".join(map(str, self.logs))
        return "\n".join([f"{self.name} {what}; from {where}:", *telling])


@contextmanager
def running(*nodes: Node) -> Iterator[tuple[Node, ...]]:
    """The nodes, started side by side and ready; stopped in reverse order at the end.

    Raises:
        NodeFailed: one of them did not come up.
    """
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_until_ready()
        yield nodes
    finally:
        for node in reversed(nodes):
            node.stop()
