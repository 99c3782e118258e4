"""A service that dies exactly where a test says: ``python -m tests.support.dying SERVICE DIRECTORY``.

This process imports the service and then only forks: one child after the other runs it, the first and all later ones
sound, unless a plan lies in the directory when the one before has ended. Nothing in the product knows of it: the child
wraps the function that the plan names so that its call ends the process with SIGKILL.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import json
import os
import runpy
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from deploy.local.ports import free_ports
from deploy.local.process import Process
from deploy.local.tether import PR_SET_PDEATHSIG
from tests.support.stack import START_SECONDS, Stack, is_consuming
from tests.support.waiting import eventually


@dataclass(frozen=True)
class KillPoint:
    """Where a process is to die.

    Attributes:
        target: an async function by its place: ``libs.shared.rabbitmq:Publisher.publish``.
        when: before it does anything, or after it has done everything.
        where: counts only calls whose arguments mention this.
        is_lasting: whether all later lives die there, too.
    """

    target: str
    when: Literal["before", "after"]
    where: str = ""
    is_lasting: bool = False


@dataclass(frozen=True)
class Life:
    """One run of a service: its number from 1, its process id, and how those before it ended (minus the signal)."""

    number: int
    pid: int
    endings: list[int]


@dataclass
class Mortal:
    """The test's side: a service that goes through one life after the other."""

    stack: Stack
    service: str

    def __post_init__(self) -> None:
        self._directory = self.stack.directory / f"{self.service}-mortal"
        self._directory.mkdir()
        self._url = self.stack.url if self.service == "api" else f"http://127.0.0.1:{free_ports(1)[0]}"
        self._process = Process(
            [sys.executable, "-m", __name__, self.service, str(self._directory)],
            env=self.stack.environment | {"ALBUM_METRICS_PORT": self._url.rpartition(":")[2]},
            log=self.stack.directory / f"{self.service}-mortal.log",
        )

    @property
    def life(self) -> Life:
        """The present life."""
        try:
            return Life(**json.loads((self._directory / "life").read_text()))
        except FileNotFoundError:
            return Life(0, 0, [])

    def start(self, point: KillPoint | None = None) -> None:
        """Begin the first life and wait until it consumes; one that is to die somewhere is not waited for."""
        if point is not None:
            self._plan(point)
        self._process.start()
        self.stack.processes[f"{self.service}-mortal"] = self._process
        if point is None:
            self.is_alive_after(0)

    def is_alive_after(self, number: int) -> None:
        """Wait until the life after ``number``, or a later one, consumes."""

        def is_alive() -> bool:
            return self.life.number > number and is_consuming(self._url)

        eventually(is_alive, START_SECONDS, f"the {self.service} lives again")

    def dies_in(self, number: int) -> None:
        """Wait until life ``number`` has ended as the kill point wanted it, and the next one consumes."""
        self.is_alive_after(number)
        endings = self.life.endings
        assert endings[number - 1] == -signal.SIGKILL, self.stack.log(f"{self.service}-mortal")

    def condemn(self, point: KillPoint) -> int:
        """End the present life and begin one that will die there; its number."""
        life = self.life
        self._plan(point)
        os.kill(life.pid, signal.SIGKILL)
        self.is_alive_after(life.number)
        return life.number + 1

    def _plan(self, point: KillPoint) -> None:
        draft = self._directory / "plan.draft"
        draft.write_text(json.dumps(asdict(point)))
        draft.replace(self._directory / "plan")


def live(service: str, directory: Path) -> None:
    """Run one life after the other, for ever."""
    importlib.import_module(f"services.{service}.{'main' if service == 'api' else 'stage'}")
    endings: list[int] = []
    while True:
        plan = None
        with suppress(FileNotFoundError):
            plan = KillPoint(**json.loads((directory / "plan").read_text()))
            if not plan.is_lasting:
                (directory / "plan").unlink()
        pid = os.fork()
        if pid == 0:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if plan is not None:
                arm(plan)
            runpy.run_module(f"services.{service}", run_name="__main__", alter_sys=True)
            os._exit(0)
        draft = directory / "life.draft"
        draft.write_text(json.dumps(asdict(Life(len(endings) + 1, pid, endings))))
        draft.replace(directory / "life")
        endings.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def arm(point: KillPoint) -> None:
    """Let the first call that the kill point means end this process."""
    module, _, path = point.target.partition(":")
    *parents, name = path.split(".")
    owner: Any = functools.reduce(getattr, parents, importlib.import_module(module))
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    async def deadly(*arguments: Any, **named: Any) -> Any:
        is_meant = point.where in repr((arguments, named))
        if is_meant and point.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await original(*arguments, **named)
        if is_meant:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


if __name__ == "__main__":
    live(sys.argv[1], Path(sys.argv[2]))
