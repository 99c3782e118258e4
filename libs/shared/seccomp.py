"""Takes system calls away from a decode child: what no decoder needs and whoever took one over would want first.

A filter as in seccomp(2), in the classic BPF of the kernel's ``filter.h``. Memory, time and files are bounded by
rlimits (see `libs.shared.sandbox`); this closes the network, other programs and other processes. Threads may be made,
which decoders do, but no process, which would outlive the kill of its parent.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _JUMP_IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _REFUSE, _UNKNOWN = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _FIRST_ARGUMENT_OFFSET = 0, 4, 16
_FIRST_X32_CALL = 0x40000000
_CLONE3 = 435
_CLONE_THREAD = 0x10000

_CALLS = {
    "x86_64": (
        0xC000003E,
        # socket, connect, socketpair, bind, execve, kill, ptrace, process_vm_readv, process_vm_writev, execveat,
        # pidfd_send_signal, io_uring_setup, fork, vfork
        (41, 42, 53, 49, 59, 62, 101, 310, 311, 322, 424, 425, 57, 58),
        56,
    ),
    "aarch64": (0xC00000B7, (198, 203, 199, 200, 221, 129, 117, 270, 271, 281, 424, 425), 220),
}
"""By machine: the kernel's number for the architecture, those of the calls, and that of clone (``asm/unistd.h``)."""


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
    program = _program(*known)
    pointer = ctypes.pointer(_Program(len(program) // 8, program))
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, pointer, 0, 0) == 0)


def _program(architecture: int, calls: tuple[int, ...], clone: int) -> bytes:
    after_calls = 5 + len(calls)
    allow, refuse, unknown = after_calls + 4, after_calls + 5, after_calls + 6

    def jump(kind: int, value: int, here: int, there: int, otherwise: int | None = None) -> tuple[int, int, int, int]:
        return kind, there - here - 1, 0 if otherwise is None else otherwise - here - 1, value

    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        jump(_JUMP_IF_EQUAL, architecture, 1, 3),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        jump(_JUMP_IF_AT_LEAST, _FIRST_X32_CALL, 4, refuse),
        *(jump(_JUMP_IF_EQUAL, call, here, refuse) for here, call in enumerate(calls, start=5)),
        # Its flags are in memory, where a filter cannot look; told that there is no such call, libc makes a clone.
        jump(_JUMP_IF_EQUAL, _CLONE3, after_calls, unknown),
        jump(_JUMP_IF_EQUAL, clone, after_calls + 1, after_calls + 2, allow),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_OFFSET),
        jump(_JUMP_IF_ANY_BIT, _CLONE_THREAD, after_calls + 3, allow, refuse),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _UNKNOWN),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
