"""Rows that wait for one graph in every worker of the service, in memory that the workers share.

One file a graph, one pair of 64-bit numbers a worker: its rows, and when it last gave a sign of life. The rows of a
worker that was killed stop counting a second later.
"""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path

WORKERS = 2048  # slots in a file
ALIVE_NS = 1_000_000_000
_SIZE = 16 * WORKERS


class SharedBacklog:
    """`worker` counts from 0; `workers` are looked at."""

    def __init__(self, path: Path, worker: int, workers: int) -> None:
        self._worker = worker
        self._others = [2 * other for other in range(min(max(workers, worker + 1), WORKERS)) if other != worker]
        number = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(number, _SIZE)
            self._slots = memoryview(mmap.mmap(number, _SIZE)).cast("q")
        finally:
            os.close(number)
        self.publish(0)

    def publish(self, rows: int) -> None:
        """This worker's rows, as the others see them from now on."""
        self._slots[2 * self._worker] = rows
        self._slots[2 * self._worker + 1] = time.monotonic_ns()

    def live(self) -> None:
        """A sign of life, to be given a few times a second."""
        self._slots[2 * self._worker + 1] = time.monotonic_ns()

    def others(self) -> int:
        """Rows that wait in the other workers that are alive."""
        if not self._others:
            return 0
        since = time.monotonic_ns() - ALIVE_NS
        return sum(self._slots[slot] for slot in self._others if self._slots[slot] and self._slots[slot + 1] > since)
