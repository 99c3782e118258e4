"""Takes system calls away from a decode child: what no decoder needs and whoever took one over would want first.

A filter as in seccomp(2), in the classic BPF of the kernel's ``filter.h``. Memory, time and files are bounded by
rlimits (see `libs.shared.sandbox`); this closes the network, other programs and other processes.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET = 0, 4
_FIRST_X32_CALL = 0x40000000

_CALLS = {
    "x86_64": (
        0xC000003E,
        # socket, connect, socketpair, bind, execve, kill, ptrace, process_vm_readv, process_vm_writev, execveat,
        # pidfd_send_signal, io_uring_setup
        (41, 42, 53, 49, 59, 62, 101, 310, 311, 322, 424, 425),
    ),
    "aarch64": (0xC00000B7, (198, 203, 199, 200, 221, 129, 117, 270, 271, 281, 424, 425)),
}
"""By machine: the kernel's number for the architecture, and those of the calls (``asm/unistd.h``)."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def forbid_calls() -> bool:
    """Have the kernel refuse those calls to this process from now on, with EPERM.

    Returns:
        False where the machine or its kernel has no such filter; the rlimits stand all the same.
    """
    known = _CALLS.get(platform.machine())
    if known is None:
        return False
    architecture, calls = known
    program = _program(architecture, calls)
    pointer = ctypes.pointer(_Program(len(program) // 8, program))
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, pointer, 0, 0) == 0)


def _program(architecture: int, calls: tuple[int, ...]) -> bytes:
    to_refusal = range(len(calls) + 1, 0, -1)
    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        (_JUMP_IF_AT_LEAST, len(calls) + 1, 0, _FIRST_X32_CALL),
        *((_JUMP_IF_EQUAL, jump - 1, 0, call) for jump, call in zip(to_refusal, calls, strict=False)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
