"""How many processors this process may really use: by its affinity and by the CPU quota of its control group.

A container on a large machine sees all of the machine's cores; threads beyond the quota only take turns and are throttled.
Control groups: https://docs.kernel.org/admin-guide/cgroup-v2.html (`cpu.max`) and, version 1,
https://docs.kernel.org/scheduler/sched-bwc.html (`cpu.cfs_quota_us`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def available_cpus(root: Path = Path("/")) -> int:
    """Whole processors, at least 1; a quota is rounded up. `root` is where `proc` and `sys` are mounted."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(quota) for quota in _quotas(root))]))


def planned_threads() -> int:
    """Threads within one operator: 0, ONNX Runtime's own choice, unless this process may use only part of the machine."""
    cpus = available_cpus()
    return cpus if cpus < (os.cpu_count() or 1) else 0


def _quotas(root: Path) -> Iterator[float]:
    """Quotas in processors, of the process's own group and of every group above it."""
    try:
        groups = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            for folder in _upwards(root / "sys/fs/cgroup", name):
                yield from _version2(folder / "cpu.max")
        elif "cpu" in controllers.split(","):
            for folder in _upwards(root / "sys/fs/cgroup/cpu", name):
                yield from _version1(folder)


def _upwards(mount: Path, name: str) -> Iterator[Path]:
    """The folder of a group and of those above it; inside a container some may not be mounted."""
    relative = PurePosixPath(name.lstrip("/"))
    for path in (relative, *relative.parents):
        if ".." not in path.parts:
            yield mount / path


def _version2(path: Path) -> Iterator[float]:
    """`max 100000`, or quota and period in microseconds."""
    words = _read(path).split()
    if len(words) == 2 and words[0] != "max":
        yield int(words[0]) / int(words[1])


def _version1(folder: Path) -> Iterator[float]:
    """A quota of −1 is none."""
    quota, period = (_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    if quota and period and int(quota) > 0:
        yield int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
