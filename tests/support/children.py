"""What tests have decode children do: all the things a hostile picture might make them do."""

from __future__ import annotations

import ctypes
import fcntl
import io
import os
import pathlib
import platform
import resource
import signal
import socket
import stat
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image, ImageOps
from pillow_heif import options

from libs.shared.errors import Rejection
from libs.shared.sandbox import NICENESS
from libs.shared.seccomp import PR_SET_PDEATHSIG
from libs.shared.spool import Spool
from services.decoder import colour, opening, png_gamma
from services.decoder.pixels import Decoded
from services.thumbnailer.pixels import Shrunk

MOST_DESCRIPTORS = 64
_CLONE_NEWUSER = 0x10000000
_F_SETSIG = 10
_PR_GET_NO_NEW_PRIVS = 39
_CAPABILITY_VERSION = 0x20080522


@dataclass(frozen=True)
class Rights:
    """What a child finds that it may do."""

    limits: dict[str, tuple[int, int]]
    sockets: int
    has_no_new_privileges: bool
    has_capabilities: bool


def process_id() -> int:
    return os.getpid()


def parent_id() -> int:
    return os.getppid()


def hang(started: Spool | None = None) -> None:
    if started:
        started.append(b"%d" % os.getpid())
    while True:
        signal.pause()


def spin(started: Spool) -> None:
    started.append(b"%d\n" % os.getpid())
    while True:
        pass


def take(size: int) -> int:
    return len(bytearray(size))


def take_twice(size: int, times: int) -> int:
    """How many pages the kernel had to find for so many pieces when they were taken for the second time."""
    faults = []
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        pieces = [b"." * size for _ in range(times)]
        del pieces
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return faults[1]


def segfault() -> None:
    ctypes.string_at(0)


def die(number: int) -> None:
    signal.raise_signal(signal.Signals(number))


def reject() -> None:
    raise Rejection("corrupt-image", "the picture is damaged", limit=3)


def reject_without_threads() -> None:
    """Find fault with a picture where the memory for another thread is not to be had."""
    threading.stack_size(1 << 46)
    reject()


def blunder() -> None:
    raise KeyError("nobody foresaw this")


def answer_with_a_path() -> object:
    return pathlib.PurePosixPath("/etc")


def copy(source: Spool, target: Spool) -> int:
    content = source.read()
    target.append(content)
    return len(content)


def write_at(target: Spool, position: int) -> None:
    os.pwrite(target.descriptor, b"x", position)


def _forked() -> None:
    if os.fork() == 0:
        os._exit(0)


def in_a_thread() -> int:
    """What a thread of the child answers, as decoders have."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(lambda: 7).result()


def forge(answer: bytes) -> None:
    """Answer in the place of the sandbox, as a decoder that was taken over can."""
    for descriptor in range(MOST_DESCRIPTORS):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                os.write(descriptor, answer)
    os._exit(0)


def forge_decoded(answer: bytes) -> Decoded:
    """Answer what it likes to a call that would have it decode."""
    forge(answer)
    raise AssertionError


def forge_shrunk(answer: bytes) -> Shrunk:
    """Answer what it likes to a call that would have it shrink."""
    forge(answer)
    raise AssertionError


_SETXATTRAT = 463
_UTIME = {"x86_64": 132, "aarch64": 88}
_IO_SETUP = {"x86_64": 206, "aarch64": 0}


def _tgkill(process: int) -> None:
    call = {"x86_64": 234, "aarch64": 131}[platform.machine()]
    _in_libc("syscall", call, process, process, 0)


def _in_libc(function: str, *arguments: int | bytes | None) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments):
        raise OSError(ctypes.get_errno(), f"{function} failed")


def forbidden(worker: int, file: pathlib.Path) -> dict[str, int]:
    """The error number with which the kernel answers each attempt to reach out, 0 for none.

    Args:
        worker: a process that the child would like to rule.
        file: one that it would like to change.
    """
    beside = file.with_name("beside")
    attempts: dict[str, Callable[[], object]] = {
        "network": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "socket pair": socket.socketpair,
        "other program": lambda: os.execv("/bin/true", ["true"]),
        "other process": lambda: os.kill(worker, 0),
        "thread of another process": lambda: _tgkill(worker),
        "limits of another process": lambda: resource.prlimit(worker, resource.RLIMIT_NOFILE),
        "descriptors of another process": lambda: os.pidfd_open(worker),
        "memory of another process": lambda: os.open(f"/proc/{worker}/mem", os.O_WRONLY),
        "process of its own": _forked,
        "file": lambda: os.open(file, os.O_WRONLY),
        "end of a file": lambda: os.open(file, os.O_RDONLY | os.O_TRUNC),
        "length of a file": lambda: os.truncate(file, 0),
        "new file": lambda: os.open(beside, os.O_RDONLY | os.O_CREAT),
        "new directory": beside.mkdir,
        "name of a file": lambda: file.rename(beside),
        "other name of a file": lambda: beside.hardlink_to(file),
        "rights of a file": lambda: file.chmod(0o777),
        "owner of a file": lambda: os.chown(file, os.getuid(), os.getgid()),
        "time of a file": lambda: os.utime(file),
        "time of a file by an old call": lambda: _in_libc("syscall", _UTIME[platform.machine()], bytes(file), None),
        "loss of an attribute": lambda: os.removexattr(file, "user.album"),
        "attribute by a new call": lambda: _in_libc("syscall", _SETXATTRAT, -100, bytes(file), 0, b"user.a", b"", 0),
        "names of files of others": lambda: _in_libc("inotify_add_watch", -1, bytes(file.parent), 0xFFF),
        "requests that no limit counts": lambda: _in_libc("syscall", _IO_SETUP[platform.machine()], 0, None),
        "removal of a file": file.unlink,
        "waiting on a pipe of everybody's": lambda: os.set_blocking(2, False),
        "flags of a pipe of everybody's": lambda: fcntl.fcntl(2, fcntl.F_SETFL, os.O_NONBLOCK),
        "signals to another process": lambda: fcntl.fcntl(2, fcntl.F_SETOWN, worker),
        "signals of its choice": lambda: fcntl.fcntl(2, _F_SETSIG, signal.SIGKILL),
        "priority of another process": lambda: os.setpriority(os.PRIO_PROCESS, worker, NICENESS),
        "processors of another process": lambda: os.sched_setaffinity(worker, {0}),
        "scheduling of another process": lambda: os.sched_setscheduler(worker, os.SCHED_IDLE, os.sched_param(0)),
        "life beyond its worker's": lambda: _in_libc("prctl", PR_SET_PDEATHSIG, 0),
        "memory of no process": lambda: os.memfd_create("uncounted"),
        "memory that outlives it": lambda: _in_libc("shmget", 0, 4096, 0o600),
        "messages that outlive it": lambda: _in_libc("msgget", 0, 0o600),
        "semaphores that outlive it": lambda: _in_libc("semget", 0, 1, 0o600),
        "namespace of its own": lambda: _in_libc("unshare", _CLONE_NEWUSER),
    }
    answers = dict.fromkeys(attempts, 0)
    for name, attempt in attempts.items():
        try:
            attempt()
        except OSError as error:
            answers[name] = error.errno or -1
    return answers


def rights() -> Rights:
    names = ("AS", "FSIZE", "NOFILE", "CORE", "CPU")
    limits = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in names}
    sockets = 0
    for descriptor in range(MOST_DESCRIPTORS):
        with suppress(OSError):
            sockets += stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    has_none = ctypes.CDLL(None).prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1
    version, capabilities = struct.pack("Ii", _CAPABILITY_VERSION, 0), ctypes.create_string_buffer(24)
    ctypes.CDLL(None).capget(version, capabilities)
    return Rights(limits, sockets, has_none, any(capabilities.raw))


def secrets(worker: int, file: pathlib.Path) -> list[str]:
    """Which of the places where secrets may be can be looked into."""
    told = []
    for path in (file, f"/proc/{worker}/environ", "/proc/self/environ", "/etc/passwd", file.parent, "/", "/proc"):
        with suppress(PermissionError):
            os.close(os.open(path, os.O_RDONLY))
            told.append(str(path))
    return told


def decode_avif(source: Spool, target: Spool, is_built_in: bool) -> str:
    """Decode by one of the two roads; the name of the module that did it."""
    decoder = opening.decoders(is_built_in)["AVIF"]
    image = decoder(io.BytesIO(source.read()))
    target.append(image.convert("RGB").tobytes())
    return type(image).__module__


def heif_options() -> tuple[bool, bool, bool, int, bool]:
    opening.decoders(True)
    return (
        options.THUMBNAILS,
        options.DEPTH_IMAGES,
        options.AUX_IMAGES,
        options.DECODE_THREADS,
        options.DISABLE_SECURITY_LIMITS,
    )


@dataclass(frozen=True)
class Verdict:
    """Whether Pillow decodes a file's first frame, and the size that its ``Image.open`` reports."""

    is_sound: bool
    size: tuple[int, int]


def judge(source: Spool, reference: Spool, format: str) -> Verdict:
    """Ask Pillow and its plugins by themselves; ``reference`` gets the upright picture in sRGB, as Pillow sees it."""
    opening.decoders(True)
    size = (0, 0)
    Image.MAX_IMAGE_PIXELS = None
    try:
        content = source.read()
        with Image.open(io.BytesIO(content), formats=[format]) as image:
            size = image.size
            if size[0] * size[1] > 1 << 25:
                return Verdict(True, size)
            profile = image.info.get("icc_profile")
            if getattr(image, "default_image", False) and has_frames(source.read()):
                image.seek(1)
            upright = ImageOps.exif_transpose(image)
    except opening.DECODER_ERRORS:
        return Verdict(False, size)
    shown = colour.to_srgb(colour.flatten(upright), filter(None, (profile, png_gamma.profile(content))))
    shown.convert("RGBA").save(buffer := io.BytesIO(), "PNG", compress_level=1)
    reference.append(buffer.getvalue())
    return Verdict(True, size)


def has_frames(animation: bytes) -> bool:
    """Whether a PNG's animation, which leaves its still out, can be shown."""
    with Image.open(io.BytesIO(animation), formats=["PNG"]) as image:
        try:
            image.seek(1)
        except opening.DECODER_ERRORS:
            return False
    return True


def picture_of(content: bytes) -> Image.Image | None:
    """The reference of a verdict, if there is one."""
    return Image.open(io.BytesIO(content)) if content else None
