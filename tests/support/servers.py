"""The process that holds the servers of a test session; its data is thrown away at the end.

A server whose url is given is not started: ``ALBUM_MONGO_URL``, and ``ALBUM_AMQP_URL`` of a RabbitMQ whose management
API listens on the usual port of the same host.

A process of its own, so that the controller of ``pytest -n`` need not wait for it, and so that an ended session,
however it ended, takes the servers with it.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local import mongod, rabbitmq
from deploy.local.node import Node, NodeFailed
from deploy.local.ports import LOOPBACK, free_ports
from services.cli.settings import UpSettings

ANSWER = "urls.json"
MANAGEMENT_PORT = 15672


def command(directory: Path) -> list[str]:
    """The command that starts the servers with their data in the directory."""
    return [sys.executable, "-m", __name__, str(directory)]


def serve(directory: Path) -> None:
    """Start the servers, write how to reach them (or what went wrong), and end them on SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    given = UpSettings()
    answer: dict[str, str] = {}
    nodes: list[Node] = []
    if given.mongo_url:
        answer["mongo"] = given.mongo_url.get_secret_value()
    else:
        database = mongod.prepare(directory)
        nodes.append(database)
        answer["mongo"] = database.url
    if given.amqp_url:
        address = urlsplit(given.amqp_url.get_secret_value())
        answer["amqp"] = address._replace(path="/").geturl()
        answer["management"] = f"http://{address.hostname}:{MANAGEMENT_PORT}/api/"
    else:
        [port] = free_ports(1)
        broker = rabbitmq.prepare(directory, management_port=port)
        nodes.append(broker)
        answer["amqp"] = broker.url
        answer["management"] = f"http://{LOOPBACK}:{port}/api/"
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_until_ready()
    except NodeFailed as error:
        answer = {"error": str(error)}
    write_atomically(directory / ANSWER, json.dumps(answer))
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    # Nobody needs the data again, so nobody waits for an orderly end.
    for node in nodes:
        node.kill()
    shutil.rmtree(directory, ignore_errors=True)


def write_atomically(path: Path, text: str) -> None:
    """Write a file that others see whole or not at all."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
