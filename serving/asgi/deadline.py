"""Until when a request may take: measured from its arrival, and kept by giving up the wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from serving.errors import DeadlineError, ProtocolError

HEADER = b"x-request-timeout-ms"


class Deadline:
    """Cancels the task that made it at `ns` on `time.perf_counter_ns`'s clock, unless it was closed before."""

    __slots__ = ("_arrival_ns", "_loop", "_named", "_passed", "_task", "_timer", "ns")

    def __init__(self, timeout_ms: int, headers: Mapping[bytes, bytes]) -> None:
        """`timeout_ms` is for a request without the header X-Request-Timeout-Ms. Raises ProtocolError for a bad one."""
        self._arrival_ns = time.perf_counter_ns()
        wanted = headers.get(HEADER)
        self._named = wanted is not None
        if wanted is not None:
            if not wanted.isdigit() or not 0 < len(wanted) <= 9 or not int(wanted):
                raise ProtocolError(
                    f"X-Request-Timeout-Ms is {wanted[:40].decode('latin-1')!r}; send a whole number of milliseconds from 1."
                )
            timeout_ms = int(wanted)
        self._passed = False
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(self._loop)
        self.ns = self._arrival_ns + timeout_ms * 1_000_000
        self._timer = self._loop.call_later(timeout_ms / 1e3, self._pass)

    def replace(self, timeout_us: int) -> None:
        """The timeout that the body names; of two that are named, the sooner counts. Raises DeadlineError if it is over."""
        ns = self._arrival_ns + timeout_us * 1000
        if self._named and ns >= self.ns:
            return
        self.ns = ns
        self._timer.cancel()
        left_ns = ns - time.perf_counter_ns()
        if left_ns <= 0:
            raise self.error()
        self._timer = self._loop.call_later(left_ns / 1e9, self._pass)

    def close(self) -> None:
        self._timer.cancel()

    def taken(self) -> bool:
        """Whether the CancelledError that the task just caught comes from here; it is then done with."""
        if self._passed and self._task is not None:
            self._task.uncancel()
        return self._passed

    def error(self) -> DeadlineError:
        """What the task is to answer when its CancelledError comes from here."""
        took_ms = (self.ns - self._arrival_ns) / 1e6
        return DeadlineError(f"The request was not answered within its {took_ms:g} ms; send it again, or give it longer.")

    def _pass(self) -> None:
        self._passed = True
        if self._task is not None:
            self._task.cancel()
