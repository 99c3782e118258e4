"""Everything that can die, dies at random under load, and nothing that was accepted is lost: ``make chaos``.

Runs the real stack on servers of its own, kills with -9, freezes, cuts connections, wipes queues and delivers
duplicates while clients upload; then lets it settle and compares all there is with an undisturbed run. Exits with 1
when a promise was broken. The same seed gives the same schedule.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from rich.console import Console

from benchmarks.aftermath import Aftermath, fingerprints, recovery_table
from benchmarks.harms import DISTURBANCES, KILLS, TICK_SECONDS, Scene
from benchmarks.load import MAX_BACKLOG, Load, mixed_pictures
from deploy.local import mongod, rabbitmq
from deploy.local.node import running
from deploy.local.ports import LOOPBACK, free_ports
from libs.shared.events import utc_now
from tests.support.stack import run_stack

COUNTS = {"api": 2, "decoder": 2, "thumbnailer": 2}
SETTINGS = {"ALBUM_CHECK_AFTER_SECONDS": "5", "ALBUM_UPLOAD_LEASE_SECONDS": "25", "ALBUM_RECONCILE_SECONDS": "1"}
CLIENTS = 6
KILLS_PER_DISTURBANCE = 3
PAUSE_BETWEEN = (0.5, 2.5)
SETTLE_SECONDS = 60.0


@dataclass(frozen=True)
class Options:
    """How much of everything.

    Attributes:
        uploads: at least so many accepted uploads.
        kills: so many processes killed with -9.
        seed: of the schedule.
        freeze_seconds: how long a frozen process stays so; the broker's patience is 30 s.
    """

    uploads: int = 1000
    kills: int = 60
    seed: int = 1
    freeze_seconds: float = 45.0


@dataclass
class Chaos:
    """One run."""

    options: Options
    scene: Scene
    say: Callable[[str], None]
    killed_at: list[tuple[str, Any]] = field(default_factory=list)

    def run(self) -> Aftermath:
        """Load and harm, settle, and look at what is left."""
        stack = self.scene.stack
        with stack.client() as client:
            album_id = client.create("Chaos")
        load = Load(stack, mixed_pictures(), album_id, self.options.seed)
        undisturbed = fingerprints(stack, load.pictures)
        self.scene.on_tick = lambda: self._pace(load)
        load.start(CLIENTS)
        started = time.monotonic()
        for name in schedule(self.options):
            self._go_on_for(self.scene.random.uniform(*PAUSE_BETWEEN))
            self.say(f"{time.monotonic() - started:6.1f} s  {len(load.accepted):5} accepted  {name}")
            if name in KILLS:
                self.killed_at.append((name, utc_now()))
                KILLS[name](self.scene)
            else:
                DISTURBANCES[name](self.scene)
        while len(load.accepted) < self.options.uploads:
            self._go_on_for(1.0)
        load.stop()
        while load.is_running:
            self._go_on_for(TICK_SECONDS)
        settled_after = self._settle()
        return Aftermath(stack, load, undisturbed, settled_after, time.monotonic() - started)

    def _go_on_for(self, seconds: float) -> None:
        """Let the load run, restarting what has died and waking what was frozen for long enough."""
        until = time.monotonic() + seconds
        while True:
            self.scene.tend()
            if time.monotonic() > until:
                return
            time.sleep(TICK_SECONDS)

    def _pace(self, load: Load) -> None:
        waiting = self.scene.count_images("queued", "encoded")
        if waiting is not None:
            load.is_crowded = waiting > MAX_BACKLOG

    def _settle(self) -> float | None:
        """How long it took until every image was ready or failed; None if some still were not after a minute."""
        self.scene.wake_all()
        started = time.monotonic()
        while not self.scene.is_at_rest():
            if time.monotonic() - started > SETTLE_SECONDS:
                return None
            self.scene.tend()
            time.sleep(TICK_SECONDS)
        return time.monotonic() - started


def schedule(options: Options) -> list[str]:
    """What happens, in order: every kind of victim equally often, and a disturbance after every few kills."""
    shuffled = random.Random(options.seed)
    kinds = list(KILLS)
    kills = [kinds[number % len(kinds)] for number in range(options.kills)]
    shuffled.shuffle(kills)
    disturbances = list(DISTURBANCES)
    shuffled.shuffle(disturbances)
    happenings: list[str] = []
    for number, kill in enumerate(kills, start=1):
        happenings.append(kill)
        if number % KILLS_PER_DISTURBANCE == 0:
            happenings.append(disturbances[number // KILLS_PER_DISTURBANCE % len(disturbances)])
    return happenings


def mongo_client(url: str) -> MongoClient[dict[str, Any]]:
    """A client that does not wait for a database that is away: there is more to look after."""
    return MongoClient(url, tz_aware=True, serverSelectionTimeoutMS=1000)


@contextmanager
def staged(options: Options) -> Iterator[Scene]:
    """Private servers and services to be maltreated."""
    with tempfile.TemporaryDirectory(prefix="album-chaos-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        [port] = free_ports(1)
        broker = rabbitmq.prepare(directory, management_port=port)
        database = mongod.prepare(directory)
        with running(database, broker), mongo_client(database.url) as mongo:
            stack = run_stack(directory, mongo, database.url, broker.url, COUNTS, **SETTINGS)
            management = f"http://{LOOPBACK}:{port}/api/"
            scene = Scene(stack, database, broker, management, random.Random(options.seed), options.freeze_seconds)
            try:
                yield scene
            finally:
                scene.wake_all()
                stack.stop()


def wreak(options: Options, console: Console) -> list[str]:
    """One whole run, told on the console; returns the promises that were broken."""
    with staged(options) as scene:
        chaos = Chaos(options, scene, console.print)
        aftermath = chaos.run()
        broken = aftermath.breaches()
        console.print(recovery_table(chaos.killed_at, aftermath, broken))
        for breach in broken[:50]:
            console.print(f"[red]broken:[/red] {breach}")
        if broken:
            scene.keep_logs(Path("chaos-logs"))
        return broken


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=Options.uploads)
    parser.add_argument("--kills", type=int, default=Options.kills)
    parser.add_argument("--seed", type=int, default=Options.seed)
    parser.add_argument("--freeze-seconds", type=float, default=Options.freeze_seconds)
    sys.exit(1 if wreak(Options(**vars(parser.parse_args())), Console()) else 0)


if __name__ == "__main__":
    main()
