"""What can happen to a stack on a bad day, each as a function of the scene it happens to."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
from pymongo.errors import PyMongoError

from deploy.local.node import Node, NodeFailed
from deploy.local.process import Process
from libs.shared.events import Envelope, work_envelope
from libs.shared.topology import queue_of
from tests.support.events import send
from tests.support.stack import Stack

DUPLICATES = 30
SERVER_SECONDS = 180.0
TICK_SECONDS = 0.1


@dataclass
class Scene:
    """A stack, its servers, and chance."""

    stack: Stack
    database: Node
    broker: Node
    management: str
    random: random.Random
    freeze_seconds: float
    frozen: dict[str, float] = field(default_factory=dict)
    """When each frozen process is to be woken."""
    on_tick: Callable[[], None] = lambda: None
    """What else is to be looked after."""

    def tend(self) -> None:
        """Start again what has died, as a supervisor would, and wake what has been frozen for long enough."""
        for name, wake_at in list(self.frozen.items()):
            if time.monotonic() > wake_at:
                self.stack.processes[name].resume()
                del self.frozen[name]
        for process in self.stack.processes.values():
            process.start()
        self.on_tick()

    def power_cut(self, server: Node) -> None:
        """Kill a server and start it again; returns when clients can work with it."""
        server.kill()
        server.start()
        deadline = time.monotonic() + SERVER_SECONDS
        while not server.is_ready():
            if time.monotonic() > deadline:
                raise NodeFailed(f"{server.name} does not come back")
            self.tend()
            time.sleep(TICK_SECONDS)

    def wake_all(self) -> None:
        """Wake everything that is frozen."""
        self.frozen = dict.fromkeys(self.frozen, 0.0)
        self.tend()

    def one_of(self, service: str) -> tuple[str, Process]:
        """A process of a service that is not frozen."""
        names = sorted(name for name in self.stack.processes if name.startswith(service) and name not in self.frozen)
        name = self.random.choice(names)
        return name, self.stack.processes[name]

    def count_images(self, *states: str) -> int | None:
        """How many images are in one of the states; None while the database is away."""
        try:
            return self.stack.database["images"].count_documents({"state": {"$in": states}})
        except PyMongoError:
            return None

    def is_at_rest(self) -> bool:
        """Whether every upload has ended, every image is ready or failed, and every event published."""
        try:
            pending = self.stack.database["events"].find_one({"pending": {"$gt": ""}})
        except PyMongoError:
            return False
        return pending is None and self.count_images("receiving", "queued", "encoded") == 0

    def keep_logs(self, directory: Path) -> None:
        """Copy what everybody logged out of the temporary directory."""
        directory.mkdir(exist_ok=True)
        for log in self.stack.directory.glob("**/*.log"):
            shutil.copy(log, directory)


def _kill_service(service: str) -> Callable[[Scene], None]:
    def kill(scene: Scene) -> None:
        scene.one_of(service)[1].kill()
        scene.tend()

    return kill


def _kill_child(scene: Scene) -> None:
    """Kill a process in which a decoder decodes: those are started by its fork server, not by itself."""
    decoder = scene.one_of("decoder")[1]
    with suppress(psutil.NoSuchProcess):
        descendants = psutil.Process(decoder.pid).children(recursive=True)
        children = [process for process in descendants if process.ppid() != decoder.pid]
        if children:
            scene.random.choice(children).kill()


def _kill_broker(scene: Scene) -> None:
    scene.power_cut(scene.broker)


def _kill_database(scene: Scene) -> None:
    scene.power_cut(scene.database)


KILLS: dict[str, Callable[[Scene], None]] = {
    "api": _kill_service("api"),
    "decoder": _kill_service("decoder"),
    "thumbnailer": _kill_service("thumbnailer"),
    "decode child": _kill_child,
    "RabbitMQ": _kill_broker,
    "mongod": _kill_database,
}


def _broker_api(scene: Scene) -> httpx.Client:
    url = urlsplit(scene.broker.url)
    return httpx.Client(base_url=scene.management, auth=(url.username or "", url.password or ""), timeout=20)


def _cut_connections(scene: Scene) -> None:
    with _broker_api(scene) as api, suppress(httpx.HTTPError):
        for connection in api.get("connections").json():
            api.delete(f"connections/{connection['name']}")


def _wipe_queues(scene: Scene) -> None:
    with _broker_api(scene) as api, suppress(httpx.HTTPError):
        for stage in ("decoder", "thumbnailer", "api"):
            api.delete(f"queues/%2F/{queue_of(stage)}/contents")


def _deliver_duplicates(scene: Scene) -> None:
    """Send the pipeline what it has been sent before."""
    sample: list[dict[str, Any]] = [
        {"$match": {"is_public": True, "subject": {"$exists": True}}},
        {"$sample": {"size": DUPLICATES}},
    ]
    envelopes = [
        Envelope.model_validate(event["envelope"]) for event in scene.stack.database["events"].aggregate(sample)
    ]
    again = [
        work_envelope(each.event(), "chaos", each.context)
        for each in envelopes
        if "image" in each.type or "thumb" in each.type
    ]
    send(scene.broker.url, *((each.routing_key, each.to_json()) for each in again if "deleted" not in each.type))


def _freeze(scene: Scene) -> None:
    """Stop a process as a hung machine would, for longer than the broker waits for its heartbeat."""
    if not scene.frozen:
        name, process = scene.one_of(scene.random.choice(["api", "decoder", "thumbnailer"]))
        process.pause()
        scene.frozen[name] = time.monotonic() + scene.freeze_seconds


DISTURBANCES: dict[str, Callable[[Scene], None]] = {
    "connections cut": _cut_connections,
    "queues wiped": _wipe_queues,
    "duplicates delivered": _deliver_duplicates,
    "a process frozen": _freeze,
}
