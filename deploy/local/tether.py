"""Run a command that dies with its parent: ``python tether.py PARENT_PID COMMAND...`` becomes the command.

The kernel sends SIGKILL when the parent ends, however it ends (prctl(2), PR_SET_PDEATHSIG), and keeps doing so
across ``exec``. A program of its own rather than a ``preexec_fn``, which may deadlock in a parent with threads.
Imports nothing of the project, so that ``python -I -S`` starts it in a few milliseconds.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def become(parent_pid: int, command: list[str]) -> None:
    """Replace this process by the command, tied to the parent. Does not return."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        # The parent died before the line above could tie us to it.
        os._exit(0)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
