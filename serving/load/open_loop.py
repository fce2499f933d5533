"""Open loop: requests arrive at random (Poisson), whether or not the service keeps up, as those of independent users do.

Latency counts from the moment at which a request should have been sent, so that a service that stalls is charged for all
requests that had to wait for it. A driver that stops sending meanwhile would hide them (coordinated omission).
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import deque

import numpy as np

from serving.load.connection import IDLE, Connection, Target
from serving.load.measurement import LATE_NS, UNANSWERED, Measurement, Recorder, measure


def open_loop(
    target: Target,
    *,
    rate: float,
    seconds: float,
    clients: int,
    warm_up_s: float = 0.3,
    seed: int = 0,
    timeout_s: float = 5.0,
    give_up_ms: float = math.inf,
) -> Measurement:
    """Requests at `rate` a second on average, over at most `clients` connections.

    What is not answered `timeout_s` after the last arrival has failed. Ends early as soon as more than 1 % of all arrivals
    took longer than `give_up_ms`, which settles that the 99th percentile does.
    """
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(1 / rate, size=max(1, math.ceil(rate * (seconds + warm_up_s))))
    return measure(_Open(target, rate, np.cumsum(gaps), clients, warm_up_s, timeout_s, give_up_ms).run())


class _Open:
    """An open-loop run. Requests that find no free connection wait in order of arrival; their clock runs meanwhile."""

    def __init__(
        self,
        target: Target,
        rate: float,
        arrivals_s: np.ndarray,
        clients: int,
        warm_up_s: float,
        timeout_s: float,
        give_up_ms: float,
    ) -> None:
        self._target = target
        self._requests = itertools.cycle(target.requests)
        self._rate = rate
        self._clients = clients
        self._timeout_s = timeout_s
        self._give_up_ns = give_up_ms * 1e6
        self._arrivals_ns = (arrivals_s * 1e9).astype(np.int64)
        self._first = int(np.searchsorted(arrivals_s, warm_up_s))  # earlier ones are not counted
        self._most_slow = (len(arrivals_s) - self._first) * 0.01
        self._start_ns = 0
        self._counted_from_ns = 0
        self._idle: deque[Connection] = deque()
        self._connections: list[Connection] = []
        self._waiting: deque[int] = deque()
        self._recorder = Recorder()
        self._late = 0
        self._slow = 0
        self._running = True

    async def run(self) -> Measurement:
        self._connections = [await Connection.open(self._target, self._answered) for _ in range(self._clients)]
        self._idle.extend(self._connections)
        self._start_ns = time.perf_counter_ns() + 1_000_000
        self._counted_from_ns = self._start_ns + int(self._arrivals_ns[min(self._first, len(self._arrivals_ns) - 1)])
        cpu, began = time.process_time(), time.perf_counter()
        await self._arrive()
        busy = (time.process_time() - cpu) / (time.perf_counter() - began)
        ended_ns = time.perf_counter_ns()
        await self._drain()
        seconds = max(ended_ns - self._counted_from_ns, 1) / 1e9
        found = self._recorder
        late = self._late / max(len(found.latencies), 1)
        latencies = np.sort(found.latencies)
        return Measurement(
            seconds,
            self._target.rows,
            latencies,
            found.failures,
            late,
            busy,
            self._clients,
            self._rate,
            self._gave_up,
        )

    @property
    def _gave_up(self) -> bool:
        return self._slow > self._most_slow

    async def _arrive(self) -> None:
        """Send each request at its time, the ones that are due together together."""
        due = (self._start_ns + self._arrivals_ns).tolist()
        next_one = 0
        while next_one < len(due) and not self._gave_up:
            now = time.perf_counter_ns()
            while next_one < len(due) and due[next_one] <= now:
                self._send(due[next_one], now)
                next_one += 1
            if next_one < len(due):
                await asyncio.sleep(max(0.0, (due[next_one] - time.perf_counter_ns()) / 1e9))

    def _send(self, intended_ns: int, now: int) -> None:
        while self._idle and self._idle[0].lost:
            self._idle.popleft()
        if not self._idle:
            self._waiting.append(intended_ns)
            return
        self._late += intended_ns >= self._counted_from_ns and now - intended_ns > LATE_NS
        self._idle.popleft().send(next(self._requests), intended_ns)  # in turn: each worker has some of the connections

    def _answered(self, connection: Connection, status: int, now: int) -> None:
        if not self._running:
            return
        if status != IDLE:
            self._count(connection.intended_ns, status, now)
        if connection.lost:
            asyncio.get_running_loop().create_task(self._reopen())
        else:
            self._free(connection)

    def _free(self, connection: Connection) -> None:
        if self._waiting:
            connection.send(next(self._requests), self._waiting.popleft())
        else:
            self._idle.append(connection)

    async def _reopen(self) -> None:
        try:
            connection = await Connection.open(self._target, self._answered)
        except OSError:
            return  # the others go on; with none left, what waits fails at the end
        self._connections.append(connection)
        self._free(connection)

    def _count(self, intended_ns: int, status: int, now: int) -> None:
        if intended_ns >= self._counted_from_ns:
            latency = self._recorder.count(status, now - intended_ns)
            self._slow += latency > self._give_up_ns

    async def _drain(self) -> None:
        """Wait for what is under way; then count what has no answer as failed."""
        deadline = time.monotonic() + self._timeout_s
        while self._under_way() and not self._gave_up and time.monotonic() < deadline:
            await asyncio.sleep(0.002)
        self._running = False
        for intended_ns in () if self._gave_up else self._under_way():
            self._count(intended_ns, UNANSWERED, 0)
        for connection in self._connections:
            connection.close()

    def _under_way(self) -> list[int]:
        return [*self._waiting, *(connection.intended_ns for connection in self._connections if connection.busy)]
