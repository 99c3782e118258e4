"""The life of a decode child."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from libs.shared.sandbox import READY

CHILD = """
import socket, sys
from libs.shared.sandbox import ChildLimits, serve
serve(socket.socket(fileno=int(sys.argv[1])), ChildLimits(memory_bytes=1 << 30, file_bytes=1 << 20, cpu_seconds=5), [])
"""


@pytest.mark.parametrize("when", ["before it is ready", "with an answer unread"])
def test_a_child_whose_worker_is_gone_ends_without_a_word(when: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        if when == "before it is ready":
            ours.close()
        command = [sys.executable, "-c", CHILD, str(theirs.fileno())]
        child = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True)
        theirs.close()
        if when == "with an answer unread":
            assert ours.recv(len(READY), socket.MSG_PEEK) == READY
    _, words = child.communicate(timeout=30)

    assert (child.returncode, words) == (0, "")
