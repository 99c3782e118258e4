"""Takes system calls away from a decode child: what no decoder needs and whoever took one over would want first.

A filter as in seccomp(2), in the classic BPF of the kernel's ``filter.h``. Memory, time and files are bounded by
rlimits (see `libs.shared.sandbox`); this closes the network, other programs, other processes, memory that no rlimit
counts, and the writing of files: what the child may write it is given open. Threads may be made, which decoders do, but
no process, which would outlive the kill of its parent.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct

PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _JUMP_IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _REFUSE, _UNKNOWN = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _FIRST_ARGUMENT_OFFSET, _ARGUMENT_BYTES = 0, 4, 16, 8
_FIRST_X32_CALL = 0x40000000
_CLONE_THREAD = 0x10000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The kernel's number for the architecture. The order is that of the numbers of calls below (``asm/unistd.h``)."""

_REFUSED = {
    "socket": (41, 198),
    "connect": (42, 203),
    "socketpair": (53, 199),
    "bind": (49, 200),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    # Through which the worker's connections to the servers could be had.
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # Which would starve the worker.
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    # What it does to a pipe or socket holds for all who have it open, and it has signals sent to whomever it is told.
    "ioctl": (16, 29),
    # Memory of no process, where it can also leave word for other children.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "semctl": (66, 191),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # It would make all calls for the child, unfiltered.
    "io_uring_setup": (425, 425),
    "creat": (85, None),
    "truncate": (76, 45),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    # Landlock asks about none of what a file says of itself, be it out of reach or not.
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    # Nor about this, which tells the names of files that come and go in any directory.
    "inotify_add_watch": (254, 27),
    # The machine has room for few of what it makes, and a child could take them all.
    "io_setup": (206, 0),
    # Doors of the kernel that no decoder goes through, and behind which flaws are found.
    "unshare": (272, 97),
    "setns": (308, 268),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
}

_NOT_THERE = {"clone3": (435, 435), "openat2": (437, 437)}
"""Their flags are in memory, where a filter cannot look; told that there is no such call, libc makes an older one."""

_Rule = tuple[tuple[int | None, int | None], int, int, int, bool]


def _rules() -> tuple[_Rule, ...]:
    """A call's numbers, which of its arguments counts, the comparison and its value, and whether that allows it."""
    return (
        ((56, 220), 0, _JUMP_IF_ANY_BIT, _CLONE_THREAD, True),  # clone
        ((2, None), 1, _JUMP_IF_ANY_BIT, _WRITING, False),  # open
        ((257, 56), 2, _JUMP_IF_ANY_BIT, _WRITING, False),  # openat
        ((234, 131), 0, _JUMP_IF_EQUAL, os.getpid(), True),  # tgkill: how a process ends itself
        ((302, 261), 0, _JUMP_IF_EQUAL, 0, True),  # prlimit64: of the caller itself
        ((157, 167), 0, _JUMP_IF_EQUAL, PR_SET_PDEATHSIG, False),  # prctl: or it would outlive its worker
        # fcntl: what comes after the descriptor's own flags changes what others have open too, as with ioctl.
        ((72, 25), 1, _JUMP_IF_AT_LEAST, fcntl.F_SETFL, False),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def forbid_calls() -> bool:
    """Have the kernel refuse those calls to this process from now on, with EPERM.

    Returns:
        False where the machine or its kernel has no such filter; the rlimits stand all the same.
    """
    if platform.machine() not in _MACHINES:
        return False
    program = _program(platform.machine())
    pointer = ctypes.pointer(_Program(len(program) // 8, program))
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, pointer, 0, 0) == 0)


def _program(machine: str) -> bytes:
    column = list(_MACHINES).index(machine)
    refused = [call for numbers in _REFUSED.values() if (call := numbers[column]) is not None]
    not_there = [numbers[column] for numbers in _NOT_THERE.values()]
    rules = [(call, *rule) for numbers, *rule in _rules() if (call := numbers[column]) is not None]
    first_rule = 5 + len(refused) + len(not_there)
    allow = first_rule + 3 * len(rules)
    refuse, unknown = allow + 1, allow + 2

    def jump(kind: int, value: int, here: int, there: int, otherwise: int | None = None) -> tuple[int, int, int, int]:
        return kind, there - here - 1, 0 if otherwise is None else otherwise - here - 1, value

    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        jump(_JUMP_IF_EQUAL, _MACHINES[machine], 1, 3),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        jump(_JUMP_IF_AT_LEAST, _FIRST_X32_CALL, 4, refuse),
        *(jump(_JUMP_IF_EQUAL, call, here, refuse) for here, call in enumerate(refused, start=5)),
        *(jump(_JUMP_IF_EQUAL, call, here, unknown) for here, call in enumerate(not_there, start=5 + len(refused))),
    ]
    for here, (call, argument, kind, value, is_allowed) in enumerate(rules):
        start = first_rule + 3 * here
        instructions += [
            jump(_JUMP_IF_EQUAL, call, start, start + 1, start + 3),
            (_LOAD, 0, 0, _FIRST_ARGUMENT_OFFSET + _ARGUMENT_BYTES * argument),
            jump(kind, value, start + 2, *((allow, refuse) if is_allowed else (refuse, allow))),
        ]
    instructions += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _UNKNOWN)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
