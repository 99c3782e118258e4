"""Inside a decode child: give up every right it does not need, then serve one call after the other.

The child trusts nobody's pictures and its parent does not trust the child: it can be made to run hostile code by a
flaw in a decoder, so it gets no sockets and no files but its own and those of the program, no secrets, no new
privileges, bounded memory and time, and what it answers is read as plain data (see `libs.shared.offload`).
"""

from __future__ import annotations

import ctypes
import importlib
import io
import json
import math
import os
import pickle
import resource
import signal
import socket
import struct
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from libs.shared.errors import Rejection
from libs.shared.landlock import forbid_files
from libs.shared.seccomp import PR_SET_PDEATHSIG, forbid_calls
from libs.shared.spool import Spool

MAX_MESSAGE_BYTES = 128 * 1024
"""Most bytes of one call or answer; pictures travel in spools."""

OUT_OF_MEMORY = b"out of memory"
"""What a child answers when there was none left; nothing that it does afterwards can be relied on."""

NO_THREADS = b"no threads"
"""What a child answers that found a picture at fault where decoders can start no threads: HEIF's needs one."""

READY = b"ready"
"""What a child says once it is confined; one that ends before it is not a picture's fault."""

_MAX_SPOOLS = 8
_OPEN_FILES = 16
_MOST_DESCRIPTORS = 65_536
NICENESS = 10
"""Whoever answers people or feeds the decoders goes first (nice(2))."""
_STACK_BYTES = 8_388_608
"""The usual limit (setrlimit(2)), which is also what each thread of a decoder gets (pthread_create(3))."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 67_108_864
"""More than a picture within the usual limits takes at once, with its copies."""
_LARGEST_KEPT_BYTES = 33_554_432
"""In one piece; glibc keeps none that is larger (mallopt(3))."""
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION = 0x20080522


@dataclass(frozen=True)
class ChildLimits:
    """What one child may use: address space and file size in bytes, processor time per call in seconds."""

    memory_bytes: int
    file_bytes: int
    cpu_seconds: float


def serve(channel: socket.socket, limits: ChildLimits, modules: Sequence[str]) -> None:
    """Answer calls from ``channel`` until the other end is closed, to functions of these modules. A child's whole life.

    An error that nobody foresaw ends the child, with its traceback on stderr, as a crash in a decoder would.
    """
    if sys.version_info >= (3, 12):
        # Python's map for perf would go on into whatever gets its descriptor next, such as a picture.
        sys.deactivate_stack_trampoline()
    # Among what a forked child inherits is the pipe by which the fork server notices that the worker is gone.
    os.closerange(3, channel.fileno())
    os.closerange(channel.fileno() + 1, _MOST_DESCRIPTORS)
    for module in modules:
        importlib.import_module(module)  # most likely the fork server has done so
    _keep_memory()
    confine(limits)
    with suppress(ConnectionError):  # the worker is gone, and with it whoever waits for an answer
        _serve(channel, limits)


def _serve(channel: socket.socket, limits: ChildLimits) -> None:
    channel.send(READY)
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, MAX_MESSAGE_BYTES, _MAX_SPOOLS)
        if not message:
            return
        _allow_cpu(limits.cpu_seconds)
        spools = [Spool(descriptor) for descriptor in descriptors]
        answer = _answer(message, spools)
        for spool in spools:
            spool.close()
        channel.send(answer)


def _keep_memory() -> None:
    """Have malloc keep for the next picture what the last one took, instead of giving it back to the kernel.

    A WebP of 1920x1080 would otherwise take 10,000 new pages; docs/performance.md says what that costs.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # other C libraries have none
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def confine(limits: ChildLimits) -> None:
    """Give up rights for good: see setrlimit(2), prctl(2) and capabilities(7)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    libc = ctypes.CDLL(None, use_errno=True)
    # What root may do: a child of a worker that runs as root could reboot the machine.
    version, none = struct.pack("Ii", _CAPABILITY_VERSION, 0), bytes(24)
    if libc.capset(version, none) and os.geteuid() == 0:
        raise OSError(ctypes.get_errno(), "capset failed")
    # The parent of a child is the fork server, which ends when the worker does, however that ends.
    for option, value in ((PR_SET_PDEATHSIG, signal.SIGKILL), (_PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, int(value), 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl failed")
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    forbid_files()
    forbid_calls()


def keep_stacks_small() -> None:
    """Have the threads of children take little of their address space.

    To be called before there are children: what starts their threads looks at the limit once, as a process begins.
    """
    most, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if most > _STACK_BYTES:  # "no limit" is -1 here, so it stays: libc has a default of its own for that
        resource.setrlimit(resource.RLIMIT_STACK, (_STACK_BYTES, hard))


def can_start_threads() -> bool:
    """Whether the machine and the limits of this process and its user leave room for one more thread."""
    thread = threading.Thread(target=int)
    try:
        thread.start()
    except RuntimeError:
        return False
    thread.join()
    return True


def dump_call(function: Any, arguments: tuple[Any, ...]) -> tuple[bytes, list[int]]:
    """A call as bytes, and the descriptors of the spools among its arguments, to be sent beside them."""
    buffer = io.BytesIO()
    pickler = _CallPickler(buffer)
    pickler.dump((function, arguments))
    return buffer.getvalue(), pickler.descriptors


class _CallPickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.descriptors: list[int] = []

    def persistent_id(self, candidate: Any) -> int | None:
        if not isinstance(candidate, Spool):
            return None
        self.descriptors.append(candidate.descriptor)
        return len(self.descriptors) - 1


class _CallUnpickler(pickle.Unpickler):
    def __init__(self, message: bytes, spools: list[Spool]) -> None:
        super().__init__(io.BytesIO(message))
        self._spools = spools

    def persistent_load(self, index: int) -> Spool:
        return self._spools[index]


def _answer(message: bytes, spools: list[Spool]) -> bytes:
    try:
        function, arguments = _CallUnpickler(message, spools).load()
        answer: tuple[Any, ...] = ("returned", function(*arguments))
    except Rejection as rejection:
        if not can_start_threads():
            return NO_THREADS
        answer = ("rejected", rejection.code, rejection.message, rejection.details)
    except MemoryError:
        return OUT_OF_MEMORY
    return json.dumps(answer, default=asdict).encode()


def _allow_cpu(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
    # The worker itself may have a limit, which only root may raise.
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
