"""The product as its users run it: the three services as processes on the session's real servers.

A pytest plugin. ``stack`` (session) is one api, one decoder and one thumbnailer with a database and a vhost of their
own, shared by the tests of a worker. ``start_stack`` makes further ones, for tests that need other settings or that
break something: ``start_stack(ALBUM_KEEP_ORIGINALS="false", decoders=2)``; they end with the test.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from deploy.local.ports import free_ports
from deploy.local.process import Process
from deploy.local.settings import inherited_environment
from tests.support.client import AlbumClient, connect
from tests.support.waiting import eventually

START_SECONDS = 60.0
PROJECT = Path(__file__).parents[2]


@dataclass
class Stack:
    """Running services.

    Attributes:
        url: where the API answers.
        environment: the ``ALBUM_...`` settings of every process.
        processes: the running services by name, such as ``api-0``.
        database: what the services keep, for a look behind the scenes.
    """

    directory: Path
    url: str
    environment: dict[str, str]
    database: Database[dict[str, Any]]
    processes: dict[str, Process] = field(default_factory=dict)
    urls: list[str] = field(default_factory=list)
    """Where each API process answers, the first one at ``url``."""
    probes: dict[str, str] = field(default_factory=dict)
    """Where each process of a stage tells of its health, by name."""

    def start(self, service: str, number: int = 0) -> Process:
        """Start one process of a service and wait until it consumes."""
        return self.wait_for(*self.launch(service, number))

    def wait_for(self, process: Process, name: str, url: str) -> Process:
        """Wait until what was launched consumes."""
        eventually(lambda: is_consuming(url) or process.exit_code is not None, START_SECONDS, f"{name} consumes")
        assert process.is_running, f"{name} ended:\n{self.log(name)}"
        return process

    def launch(self, service: str, number: int = 0) -> tuple[Process, str, str]:
        """Start one process of a service without waiting for it; it, its name, and where it answers."""
        name = f"{service}-{number}"
        url = self.url if name == "api-0" else f"http://127.0.0.1:{free_ports(1)[0]}"
        port = url.rpartition(":")[2]
        if service == "api":
            self.urls.append(url)
            environment = self.environment | {"ALBUM_PORT": port}
        else:
            self.probes[name] = url
            environment = self.environment | {"ALBUM_METRICS_PORT": port}
        process = Process(
            [sys.executable, "-m", f"services.{service}"],
            env=environment,
            log=self.directory / f"{name}.log",
        )
        process.start()
        self.processes[name] = process
        return process, name, url

    def log(self, name: str) -> str:
        """What a process has logged."""
        return (self.directory / f"{name}.log").read_text()

    def client(self, url: str | None = None) -> AlbumClient:
        """A client of the first API, or of the one at ``url``; close it."""
        return AlbumClient(connect(url or self.url))

    def blobs(self, **wanted: Any) -> list[dict[str, Any]]:
        """The records of stored blobs, by their metadata."""
        return list(self.database["fs.files"].find({f"metadata.{name}": value for name, value in wanted.items()}))

    def stop(self) -> None:
        """End all processes, the API last, so that what the stages still finish is heard."""
        for name in sorted(self.processes, reverse=True):
            self.processes[name].stop()


def is_consuming(url: str) -> bool:
    """Whether a process says that the broker knows it as a consumer, and that its database is no reason to wait.

    A database that does not answer is none: there are tests for that.
    """
    try:
        with connect(url, timeout_seconds=10) as probe:
            checks: dict[str, str] = probe.get("/readyz").json()["checks"]
    except httpx.TransportError:
        return False
    return checks["broker"] == "up" and checks.get("database") != "upgrading"


def run_stack(
    directory: Path,
    mongo: MongoClient[dict[str, Any]],
    mongo_url: str,
    amqp_url: str,
    counts: dict[str, int],
    **settings: str,
) -> Stack:
    """Start services on servers that run already, with a database of their own; the caller stops the stack.

    Args:
        directory: where logs go.
        mongo: a client of the database server, for `Stack.database`.
        mongo_url: the same server, for the services.
        amqp_url: a vhost that no other stack uses.
        counts: how many processes of each service.
        settings: further ``ALBUM_...`` variables.
    """
    [port] = free_ports(1)
    name = f"test_{uuid.uuid4().hex[:12]}"
    environment = {
        **inherited_environment(),
        "ALBUM_MONGO_URL": mongo_url,
        "ALBUM_AMQP_URL": amqp_url,
        "ALBUM_DATABASE": name,
        "ALBUM_PORT": str(port),
        "ALBUM_LOG_FORMAT": "text",
        "ALBUM_DECODER_PROCESSES": "1",
        "ALBUM_THUMBNAILER_PROCESSES": "1",
        # No test is refused as busy for what an earlier one left waiting, however slow the machine is.
        "ALBUM_MAX_WAIT_SECONDS": "86400",
        "PYTHONPATH": str(PROJECT),
        **settings,
    }
    stack = Stack(directory, f"http://127.0.0.1:{port}", environment, mongo[environment["ALBUM_DATABASE"]])
    try:
        # Side by side: each takes a second or two of reading its modules and making its connections.
        launched = [stack.launch(service, number) for service, count in counts.items() for number in range(count)]
        for one in launched:
            stack.wait_for(*one)
    except BaseException:
        stack.stop()
        raise
    return stack


StartStack = Callable[..., Stack]


@pytest.fixture(scope="session")
def _stacks(
    mongo_url: str, fresh_vhost: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartStack]:
    with MongoClient[dict[str, Any]](mongo_url, tz_aware=True) as mongo:

        def start(decoders: int = 1, thumbnailers: int = 1, apis: int = 1, audits: int = 0, **settings: str) -> Stack:
            counts = {"api": apis, "decoder": decoders, "thumbnailer": thumbnailers, "audit": audits}
            return run_stack(tmp_path_factory.mktemp("stack"), mongo, mongo_url, fresh_vhost(), counts, **settings)

        yield start


@pytest.fixture(scope="session")
def stack(_stacks: StartStack) -> Iterator[Stack]:
    started = _stacks()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def idle_stack(_stacks: StartStack) -> Iterator[Stack]:
    """A shared one without stages: whatever is uploaded stays queued."""
    started = _stacks(decoders=0, thumbnailers=0)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def own_stack(_stacks: StartStack) -> Iterator[Stack]:
    """One for the tests of a file that count what happens: nobody else makes anything happen there."""
    started = _stacks()
    yield started
    started.stop()


@pytest.fixture
def start_stack(_stacks: StartStack) -> Iterator[StartStack]:
    started: list[Stack] = []

    def start(**settings: Any) -> Stack:
        started.append(_stacks(**settings))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def own_album(own_stack: Stack) -> Iterator[AlbumClient]:
    """A client of the stack that the tests of a file have to themselves."""
    with own_stack.client() as client:
        yield client


@pytest.fixture
def album(stack: Stack) -> Iterator[AlbumClient]:
    """A client of the shared stack."""
    with stack.client() as client:
        yield client
