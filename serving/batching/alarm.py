"""A timer for the first of many deadlines.

One timer for all: requests come by the thousand, each with a deadline that hardly any of them meets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

NEVER = 2**63


class Alarm:
    """Calls `ring` when the first deadline has passed that it was told of. Times are of `time.perf_counter_ns`."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self.soonest_ns = NEVER
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, deadline_ns: int, *, least_ms: float = 1.0) -> None:
        """Ring at `deadline_ns`, unless that is sooner than in `least_ms`, instead of when it was to ring."""
        self.stop()
        self.soonest_ns = deadline_ns
        if deadline_ns != NEVER:
            delay_s = max((deadline_ns - time.perf_counter_ns()) / 1e9, least_ms / 1e3)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._ring)

    def stop(self) -> None:
        self.soonest_ns = NEVER
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
