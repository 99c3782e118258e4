"""What ``make setup`` says when something is missing and cannot be installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "deploy" / "local" / "setup.sh"
EX_UNAVAILABLE = 69
CONTAINERS = "docker compose -f deploy/docker-compose.yml up"
# What the script itself needs, on a machine that has nothing else.
TOOLS = ("sh", "id", "awk", "sed", "ls", "mktemp", "tail", "rm", "ldd")


@pytest.fixture
def bare_path() -> Iterator[Path]:
    """A PATH of a machine that has neither Chromium, mongod nor a package manager."""
    # Another user has to find the way there, and every session of pytest closes what is above its own directories.
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        for tool in TOOLS:
            (directory / tool).symlink_to(str(shutil.which(tool)))
        yield directory


def run(path: Path, *arguments: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-s", *arguments],
        input=SCRIPT.read_text(),
        env={"PATH": str(path)},
        user=user,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )


def test_a_machine_that_is_not_debian_is_told_what_to_do(bare_path: Path) -> None:
    ended = run(bare_path, "tests")
    assert ended.returncode == EX_UNAVAILABLE
    assert ended.stderr == (
        "album: a tool of the tests is missing and this is not Debian or Ubuntu, so it cannot be installed from here: "
        "install these yourself: chromium nginx openssl curl\n"
    )


def test_one_who_is_not_root_is_told_what_to_do(bare_path: Path) -> None:
    (bare_path / "apt-get").symlink_to("/bin/false")
    nobody = pwd.getpwnam("nobody").pw_name if os.getuid() == 0 else None
    ended = run(bare_path, "tests", user=nobody)
    assert ended.returncode == EX_UNAVAILABLE
    assert ended.stderr.startswith("album: a tool of the tests is missing and only root can install it: ")


def test_a_machine_without_mongod_is_shown_the_way_to_containers(bare_path: Path, tmp_path: Path) -> None:
    ended = run(bare_path, "database", str(tmp_path))
    assert ended.returncode == EX_UNAVAILABLE
    assert ended.stderr.startswith("album: there is no mongod for this kind of machine: ")
    assert ended.stderr.endswith(f"{CONTAINERS}\n")


def test_a_python_that_is_too_old_is_named(bare_path: Path) -> None:
    ended = run(bare_path, "venv", "python2.7")
    assert ended.returncode == EX_UNAVAILABLE
    assert "album: python2.7 is not there or older than 3.10" in ended.stderr


def test_a_word_it_does_not_know_shows_what_it_can_do(bare_path: Path) -> None:
    ended = run(bare_path, "everything")
    assert ended.returncode == 64
