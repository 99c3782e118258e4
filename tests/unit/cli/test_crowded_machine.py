"""``album up`` on a machine that can start no more processes or threads, or that does not let it keep its data."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from deploy.local.ports import free_ports
from services.cli.console import Console
from services.cli.service import Service
from services.cli.settings import PROJECT
from services.cli.supervisor import Kept

SHORT = "this machine has no files, processes or memory left"
NOWHERE = {"ALBUM_MONGO_URL": "mongodb://127.0.0.1:1/?replicaSet=rs0", "ALBUM_AMQP_URL": "amqp://127.0.0.1:1/"}


def up(*options: str, environment: dict[str, str], before: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``album up`` to its end, in a process where something is done before."""
    [port] = free_ports(1)
    script = f"{before}\nfrom services.cli.__main__ import app\napp()"
    return subprocess.run(
        [sys.executable, "-c", script, "up", "--port", str(port), *options],
        env={**os.environ, **environment, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_machine_that_starts_no_process_is_told_of_in_a_sentence() -> None:
    no_more = """
        import errno, subprocess

        class Popen(subprocess.Popen):
            def _execute_child(self, *of, **these):
                raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

        subprocess.Popen = Popen
    """

    ended = up(environment=NOWHERE, before=textwrap.dedent(no_more))

    assert ended.returncode == os.EX_UNAVAILABLE
    assert ended.stderr == f"album: {SHORT}\n"


def test_a_directory_of_data_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    ended = up("--data", str(tmp_path / "file" / "data"), environment=dict.fromkeys(NOWHERE, ""))

    assert ended.returncode == os.EX_UNAVAILABLE
    assert ended.stderr == f"album: {tmp_path / 'file' / 'data'}: Not a directory\n"


class Child:
    """A child that cannot be started at first."""

    name = "api"
    is_running = False
    exit_code = -9
    starts = 0

    def is_ready(self) -> bool:
        return self.is_running

    def start(self) -> None:
        self.starts += 1
        if self.starts == 1:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        self.is_running = True


def test_what_cannot_be_started_again_now_is_started_later() -> None:
    said: list[str] = []
    child = Child()
    kept = Kept(child, said.append, started_at=0.0)

    for now in (1.0, 2.0, 3.0, 5.0):
        kept.tend(now)

    assert child.is_running
    assert said == [
        "api was ended by SIGKILL; starting it again in 0.5 s",
        f"api cannot be started: {SHORT}",
        "api was ended by SIGKILL; starting it again in 1 s",
    ]


def test_what_fails_for_a_whole_night_is_started_again_in_the_morning() -> None:
    said: list[str] = []
    child = Child()
    kept = Kept(child, said.append, started_at=0.0, failures=5_000)

    kept.tend(now=1.0)

    assert said == ["api was ended by SIGKILL; starting it again in 30 s"]


def test_no_service_runs_whose_output_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    service = Service("api", "api", {**os.environ, **NOWHERE}, Console(), url="http://127.0.0.1:1")

    with pytest.raises(RuntimeError, match="new thread"):
        service.start()

    assert not service.is_running
