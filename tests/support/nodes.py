"""The real servers of a test session: one mongod and one RabbitMQ, started once, ended with the session.

A pytest plugin, named in ``tests/conftest.py``. With ``-n`` the controller starts the servers while the workers
collect, and all workers share them; without, the first test that asks for one starts them. What tests ask for:

``mongo_url`` (session)   the replica set's url
``database`` (module)     the name of a database that no other module uses; dropped after the module
``amqp_url`` (module)     a url of the broker with a fresh vhost; dropped after the module
``fresh_vhost`` (session) a function that makes one more vhost and returns its url, for a test that needs its own
``broker_api`` (session)  an HTTP client of the broker's management API, for a look at queues and connections

These servers are shared: a test that kills, pauses or wipes one starts its own with ``deploy.local`` (see
``deploy/local/node.py``).
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pymongo import MongoClient

from deploy.local.process import Process
from deploy.local.settings import inherited_environment
from tests.support import servers
from tests.support.waiting import eventually

PROJECT = Path(__file__).parents[2]
DIRECTORY = "servers_directory"
START_SECONDS = 120.0


@dataclass
class Servers:
    """The process that holds the session's servers, and the directory where it says how to reach them."""

    directory: Path
    process: Process

    def end(self) -> None:
        """End the servers and remove their data."""
        self.process.stop(grace_seconds=30.0)


session_servers = pytest.StashKey[Servers]()


def start_servers(config: pytest.Config) -> Path:
    """Start the session's servers unless they are; returns their directory without waiting for them."""
    if session_servers not in config.stash:
        directory = Path(tempfile.mkdtemp(prefix="album-tests-"))
        command = [*servers.command(directory)]
        env = inherited_environment() | {"PYTHONPATH": str(PROJECT)}
        started = Servers(directory, Process(command, env=env, log=directory / "servers.log"))
        started.process.start()
        config.stash[session_servers] = started
    return config.stash[session_servers].directory


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the controller of ``pytest -n``: tell each worker where the servers will be."""
    node.workerinput[DIRECTORY] = str(start_servers(node.config))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what this process started."""
    if session_servers in config.stash:
        config.stash[session_servers].end()


@pytest.fixture(scope="session")
def server_urls(pytestconfig: pytest.Config) -> dict[str, str]:
    """The urls of ``mongo``, ``amqp`` (its default vhost) and ``management``, once all of them answer."""
    given = getattr(pytestconfig, "workerinput", {}).get(DIRECTORY)
    directory = Path(given) if given else start_servers(pytestconfig)
    answer = directory / servers.ANSWER
    eventually(answer.exists, START_SECONDS, f"the servers start; their logs are in {directory}")
    urls: dict[str, str] = json.loads(answer.read_text())
    if "error" in urls:
        pytest.fail(urls["error"], pytrace=False)
    return urls


@pytest.fixture(scope="session")
def mongo_url(server_urls: dict[str, str]) -> str:
    return server_urls["mongo"]


@pytest.fixture(scope="module")
def database(mongo_url: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    with MongoClient[dict[str, Any]](mongo_url) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def broker_api(server_urls: dict[str, str]) -> Iterator[httpx.Client]:
    amqp = urlsplit(server_urls["amqp"])
    with httpx.Client(base_url=server_urls["management"], auth=(amqp.username or "", amqp.password or "")) as client:
        yield client


@pytest.fixture(scope="session")
def fresh_vhost(server_urls: dict[str, str], broker_api: httpx.Client) -> Iterator[Callable[[], str]]:
    made: list[str] = []

    def make() -> str:
        name = f"test-{uuid.uuid4().hex[:12]}"
        made.append(name)
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        broker_api.put(f"vhosts/{name}").raise_for_status()
        user = urlsplit(server_urls["amqp"]).username
        broker_api.put(f"permissions/{name}/{user}", json=everything).raise_for_status()
        return server_urls["amqp"] + name

    yield make
    for name in made:
        broker_api.delete(f"vhosts/{name}")


@pytest.fixture(scope="module")
def amqp_url(fresh_vhost: Callable[[], str], broker_api: httpx.Client) -> Iterator[str]:
    url = fresh_vhost()
    yield url
    broker_api.delete(f"vhosts/{urlsplit(url).path.lstrip('/')}")
