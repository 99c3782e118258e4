"""Leaves a decode child only the program's own files to read: no secrets, no other processes, nobody's data.

Landlock, as in landlock(7): a set of directories beneath which files may be opened. It is there since Linux 5.13.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# The same numbers on every architecture (``asm-generic/unistd.h``).
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_READ_FILE, _READ_DIRECTORY = 1 << 2, 1 << 3
_EVERYTHING = (1 << 13) - 1
"""All that the first version of Landlock can forbid: to run, read, write, make and remove files."""

_PROGRAM = Path(__file__).parents[2]


def forbid_files() -> bool:
    """Take from this process and its threads, for good, all files but those that Python and decoders are made of.

    What is open already stays open. The process must have given up new privileges before (prctl(2)).

    Returns:
        False where the kernel has no Landlock, or has it switched off.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    rules = struct.pack("Q", _EVERYTHING)
    ruleset: int = libc.syscall(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), 0)
    if ruleset < 0:
        return False
    for directory in _readable():
        with suppress(FileNotFoundError):
            descriptor = os.open(directory, os.O_PATH | os.O_CLOEXEC)
            beneath = struct.pack("=Qi", _READ_FILE | _READ_DIRECTORY, descriptor)
            libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, beneath, 0)
            os.close(descriptor)
    failed: int = libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return failed == 0


def _readable() -> Iterable[Path | str]:
    """The modules that may be imported yet, and the libraries of the system."""
    paths = sysconfig.get_paths()
    modules = {paths[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    return (
        *modules,
        _PROGRAM / "libs",
        _PROGRAM / "services",
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/lib",
    )
