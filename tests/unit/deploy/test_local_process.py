"""A child process never outlives its supervisor, and can be stopped, killed, paused and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.process import Process
from deploy.local.settings import inherited_environment
from tests.support.processes import is_alive, is_standing_still, with_descendants
from tests.support.waiting import eventually

PROJECT = Path(__file__).parents[3]
SLEEPER = ["sleep", "600"]
STUBBORN = ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 600; done"]
SUPERVISOR = """
import signal
from deploy.local.process import Process
child = Process(["sleep", "600"], env={"PATH": "/usr/bin:/bin"})
child.start()
print(child.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    started = Process(SLEEPER, env=inherited_environment(), log=tmp_path / "log")
    started.start()
    yield started
    started.kill()


def test_a_process_ends_with_a_supervisor_that_is_killed() -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR], cwd=PROJECT, stdout=subprocess.PIPE)
    assert supervisor.stdout is not None
    with supervisor, supervisor.stdout:
        child = int(supervisor.stdout.readline())
        assert is_alive(child)

        supervisor.kill()

    eventually(lambda: not is_alive(child), 10, "the child ends")


def test_a_process_is_not_reached_by_the_terminals_ctrl_c(process: Process) -> None:
    assert os.getpgid(process.pid) != os.getpgid(0)
    assert os.getsid(process.pid) == process.pid


def test_a_process_that_ignores_the_request_is_killed_when_its_grace_is_over(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = Process(STUBBORN, env=inherited_environment(), log=log)
    process.start()
    eventually(lambda: log.read_text() == "deaf\n", 10, "the process has shut its ears")

    process.stop(grace_seconds=0.2)

    assert process.exit_code == -signal.SIGKILL


def test_a_killed_process_takes_what_it_started_with_it(tmp_path: Path) -> None:
    process = Process(["sh", "-c", "sleep 600 & wait"], env=inherited_environment(), log=tmp_path / "log")
    process.start()
    family = eventually(lambda: len(found := with_descendants(process.pid)) == 2 and found, 10, "it starts a child")
    assert family

    process.kill()

    eventually(lambda: not any(map(is_alive, family)), 10, "the child ends")


def test_a_paused_process_stands_still_until_it_is_resumed_or_stopped(process: Process) -> None:
    process.pause()
    eventually(lambda: is_standing_still(process.pid), 10, "it stands still")
    assert process.is_running

    process.stop()

    assert process.exit_code == -signal.SIGTERM


def test_a_process_can_be_started_again(process: Process) -> None:
    first = process.pid
    process.kill()
    process.start()
    assert process.is_running
    assert process.pid != first


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = Process(["/nowhere/mongod"], env={}, log=log)
    process.start()
    eventually(lambda: process.exit_code, 10, "it ends")
    assert log.read_text() == "/nowhere/mongod cannot be started: No such file or directory\n"


def test_a_private_server_inherits_nothing_that_ties_it_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBITMQ_NODENAME", "rabbit@elsewhere")
    monkeypatch.setenv("ERL_EPMD_PORT", "4369")
    monkeypatch.setenv("LANG", "C.UTF-8")
    inherited = inherited_environment()
    assert inherited["LANG"] == "C.UTF-8"
    assert not {"RABBITMQ_NODENAME", "ERL_EPMD_PORT"} & inherited.keys()
