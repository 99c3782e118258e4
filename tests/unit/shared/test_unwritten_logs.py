"""What comes of work whose log cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = """
from libs.shared.logs import configure, get_logger
from libs.shared.settings import SharedSettings
configure("decoder", SharedSettings())
get_logger().warning("waiting out an outage")
get_logger().warning("waiting out an outage")
print("it went on")
"""


def _full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def _pipe_that_nobody_reads() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize("open_log", [_full_disk, _pipe_that_nobody_reads])
def test_work_goes_on_though_its_log_cannot_be_written(open_log: Callable[[], int]) -> None:
    log = open_log()
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=log, text=True, cwd=Path(__file__).parents[3]
    )
    os.close(log)

    assert ended.stdout == "it went on\n"
