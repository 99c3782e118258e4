"""A child process that never outlives its supervisor, not even one that was killed with SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

TETHER = Path(__file__).with_name("tether.py")


class Process:
    """A command that can be started, stopped, killed, paused and started again.

    It runs in a session of its own, so Ctrl-C in the terminal reaches the supervisor alone, which then ends its
    children in order. Start it from a thread that lives as long as it should: the kernel ties it to that thread.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], log: Path | None = None) -> None:
        """Describe the command; with no ``log`` its output is a pipe, to be read from ``output``."""
        self.log = log
        self._command = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *command]
        self._env = dict(env)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the running or last process; 0 before the first start."""
        return self._child.pid if self._child else 0

    @property
    def output(self) -> IO[bytes]:
        """What the process prints, of one that was started without a log file."""
        if self._child is None or self._child.stdout is None:
            raise ValueError("this process was not started, or prints to its log file")
        return self._child.stdout

    @property
    def exit_code(self) -> int | None:
        """The exit code, or minus the number of the signal that ended it; None while it runs or before."""
        return self._child.poll() if self._child else None

    @property
    def is_running(self) -> bool:
        """Whether the process was started and has not ended; a paused one counts as running."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the command, unless it is running already."""
        if self.is_running:
            return
        if self.log is None:
            self._child = self._spawn(subprocess.PIPE)
        else:
            with self.log.open("ab") as log:
                self._child = self._spawn(log)

    def terminate(self) -> None:
        """Ask the process to end; returns at once."""
        if self._child is not None and self.is_running:
            self.resume()
            self._child.terminate()

    def stop(self, grace_seconds: float = 15.0) -> None:
        """Ask the process to end, wait, and kill it when the grace is over."""
        if self._child is None or not self.is_running:
            return
        self.terminate()
        try:
            self._child.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process at once, and what it started within its session; it has no say in it."""
        if self._child is not None and self.is_running:
            self._signal(signal.SIGKILL)
            self._child.wait()

    def pause(self) -> None:
        """Freeze the process as a hung machine would: its connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.is_running:
            os.killpg(self.pid, number)

    def _spawn(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
