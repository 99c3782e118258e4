"""What processes cost: processor time and resident memory, with everything that they started."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import psutil

MEBIBYTE = 1024 * 1024


def cpu_seconds(roots: Mapping[str, int]) -> dict[str, float]:
    """Processor seconds so far of each named process, and of all it started as ``<name> children``."""
    found = {}
    for name, process_id in roots.items():
        first, *children = [_cpu_of(process) for process in _tree(process_id)]
        found[name] = first
        if children:
            found[f"{name} children"] = sum(children)
    return found


def resident_mebibytes(roots: Mapping[str, int]) -> dict[str, float]:
    """Resident memory of each named process, and of the largest of its children as ``<name> child``."""
    found = {}
    for name, process_id in roots.items():
        first, *children = [_memory_of(process) for process in _tree(process_id)]
        found[name] = first
        if children:
            found[f"{name} child"] = max(children)
    return found


def _tree(process_id: int) -> list[psutil.Process]:
    root = psutil.Process(process_id)
    return [root, *root.children(recursive=True)]


def _cpu_of(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _memory_of(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        return float(process.memory_info().rss / MEBIBYTE)
    return 0.0
