"""What runs on this machine: whether anything of a stack is left behind."""

from __future__ import annotations

import psutil


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and only waits to be collected does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def is_standing_still(pid: int) -> bool:
    """Whether a process is stopped by SIGSTOP."""
    return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)


def with_descendants(pid: int) -> set[int]:
    """A process and all that it and its children have started."""
    return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}


def named(pids: set[int], part: str) -> list[int]:
    """Those of the processes whose command line contains a part."""
    return [pid for pid in pids if part in _command_line(pid)]


def _command_line(pid: int) -> str:
    """How a process was started; nothing for one that has ended, be it between two looks."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return ""


def listeners(pids: set[int]) -> set[tuple[str, int]]:
    """The addresses and ports on which any of the processes listens."""
    return {
        (address.laddr.ip, address.laddr.port)
        for address in psutil.net_connections("tcp")
        if address.pid in pids and address.status == psutil.CONN_LISTEN
    }


def open_ports() -> set[int]:
    """All ports of this machine on which something listens."""
    return {each.laddr.port for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
