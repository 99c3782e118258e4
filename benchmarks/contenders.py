"""Who is measured: Album and the tutorial build, driven by the same client in the same way."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from pymongo.collection import Collection

from benchmarks.connection import Connection, post_upload
from benchmarks.private import Servers
from deploy.local.ports import LOOPBACK, free_ports
from deploy.local.process import Process
from deploy.local.settings import inherited_environment
from tests.support.stack import PROJECT, Stack
from tests.support.waiting import eventually

START_SECONDS = 60.0


class Contender(Protocol):
    """Something that pictures can be uploaded to.

    Attributes:
        name: how reports call it.
        url: where it answers.
        images: its collection of images, each with ``album_id`` and ``state``.
        roots: its processes by name, those of the servers included.
    """

    name: str
    url: str
    images: Collection[dict[str, Any]]
    roots: dict[str, int]

    def new_album(self) -> str: ...
    def upload(self, album_id: str, picture: bytes) -> bytes: ...


def count_ready(contender: Contender, album_id: str) -> int:
    """How many images of an album have their thumbnail."""
    return contender.images.count_documents({"album_id": album_id, "state": "ready"})


@dataclass
class Album:
    """This project."""

    stack: Stack
    servers: Servers
    name: str = "Album"

    def __post_init__(self) -> None:
        self.url = self.stack.url
        self.images = self.stack.database["images"]
        self.roots = _server_roots(self.servers) | {name: each.pid for name, each in self.stack.processes.items()}

    def new_album(self) -> str:
        with self.stack.client() as client:
            return client.create("Benchmark")

    def upload(self, album_id: str, picture: bytes) -> bytes:
        return post_upload("/album/image/upload", album_id, picture)


@dataclass
class Tutorial:
    """The build of a tutorial: FastAPI, Celery, PyMongo and Pillow (`benchmarks.peers`)."""

    url: str
    images: Collection[dict[str, Any]]
    roots: dict[str, int]
    name: str = "tutorial build"

    def new_album(self) -> str:
        self.images.database.client.drop_database(self.images.database)
        return str(uuid.uuid4())

    def upload(self, album_id: str, picture: bytes) -> bytes:
        return post_upload("/upload", album_id, picture)


@contextmanager
def tutorial(servers: Servers, workers: int) -> Iterator[Tutorial]:
    """Run the tutorial build on the servers that Album uses, with so many worker processes."""
    addresses = {"TUTORIAL_MONGO_URL": servers.database.url, "TUTORIAL_AMQP_URL": servers.broker.url}
    celery = ["celery", "-A", "benchmarks.peers.tutorial_tasks", "worker", "-c", str(workers), "-l", "WARNING"]
    with (
        running_module(servers, celery, **addresses) as worker,
        running_app(servers, "benchmarks.peers.tutorial_api:app", **addresses) as (api, url),
    ):
        roots = _server_roots(servers) | {"api": api.pid, "worker": worker.pid}
        yield Tutorial(url, servers.mongo["tutorial"]["images"], roots)


@contextmanager
def running_app(servers: Servers, app: str, **environment: str) -> Iterator[tuple[Process, str]]:
    """Run an ASGI application as Album's API is run, with uvloop and httptools; the process and its url."""
    [port] = free_ports(1)
    command = ["uvicorn", app, "--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    with running_module(servers, command, **environment) as process:
        eventually(lambda: _answers(port), START_SECONDS, f"{app} answers")
        yield process, f"http://{LOOPBACK}:{port}"


@contextmanager
def running_module(servers: Servers, command: list[str], **environment: str) -> Iterator[Process]:
    """Run ``python -m`` with this command."""
    process = Process(
        [sys.executable, "-m", *command],
        env=inherited_environment() | {"PYTHONPATH": str(PROJECT)} | environment,
        log=servers.directory / f"{command[0]}.log",
    )
    process.start()
    try:
        yield process
    finally:
        process.stop()


def _answers(port: int) -> bool:
    try:
        with Connection(f"http://{LOOPBACK}:{port}"):
            return True
    except OSError:
        return False


def _server_roots(servers: Servers) -> dict[str, int]:
    return {"mongod": servers.database.pid, "rabbitmq": servers.broker.pid}
