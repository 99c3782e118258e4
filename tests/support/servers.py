"""The process that holds the servers of a test session; its data is thrown away at the end.

A process of its own, so that the controller of ``pytest -n`` need not wait for it, and so that an ended session,
however it ended, takes the servers with it.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path

from deploy.local import mongod, rabbitmq
from deploy.local.node import NodeFailed
from deploy.local.ports import LOOPBACK, free_ports

ANSWER = "urls.json"


def command(directory: Path) -> list[str]:
    """The command that starts the servers with their data in the directory."""
    return [sys.executable, "-m", __name__, str(directory)]


def serve(directory: Path) -> None:
    """Start the servers, write how to reach them (or what went wrong), and end them on SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    [management_port] = free_ports(1)
    database = mongod.prepare(directory)
    broker = rabbitmq.prepare(directory, plugins=["rabbitmq_management"], management_port=management_port)
    try:
        for node in (database, broker):
            node.start()
        for node in (database, broker):
            node.wait_until_ready()
        management = f"http://{LOOPBACK}:{management_port}/api/"
        answer = {"mongo": database.url, "amqp": broker.url, "management": management}
    except NodeFailed as error:
        answer = {"error": str(error)}
    write_atomically(directory / ANSWER, json.dumps(answer))
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    # Nobody needs the data again, so nobody waits for an orderly end.
    for node in (database, broker):
        node.kill()
    shutil.rmtree(directory, ignore_errors=True)


def write_atomically(path: Path, text: str) -> None:
    """Write a file that others see whole or not at all."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
