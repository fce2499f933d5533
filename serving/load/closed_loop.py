"""Closed loop: each client sends its next request when it has the answer to the last. This finds the throughput."""

from __future__ import annotations

import asyncio
import itertools
import time

import numpy as np

from serving.load.connection import IDLE, Connection, Target
from serving.load.measurement import Measurement, Recorder, measure


def closed_loop(target: Target, *, clients: int, seconds: float, warm_up_s: float = 0.3) -> Measurement:
    """Throughput of `clients` that each wait for their answers. Raises OSError where nothing listens."""
    return measure(_Closed(target, clients, seconds, warm_up_s).run())


class _Closed:
    def __init__(self, target: Target, clients: int, seconds: float, warm_up_s: float) -> None:
        self._target = target
        self._requests = itertools.cycle(target.requests)
        self._clients = clients
        self._seconds = seconds
        self._warm_up_s = warm_up_s
        self._connections: list[Connection] = []
        self._recorder = Recorder()
        self._counted_from_ns = 0
        self._running = True
        self._refused: OSError | None = None

    async def run(self) -> Measurement:
        for _ in range(self._clients):
            await self._open()
        await asyncio.sleep(self._warm_up_s)
        cpu, began = time.process_time(), time.perf_counter()
        self._counted_from_ns = time.perf_counter_ns()
        await asyncio.sleep(self._seconds)
        self._running = False
        elapsed, busy = time.perf_counter() - began, time.process_time() - cpu
        for connection in self._connections:
            connection.close()
        if self._refused is not None:
            raise self._refused
        found = self._recorder
        latencies = np.sort(found.latencies)
        return Measurement(elapsed, self._target.rows, latencies, found.failures, 0.0, busy / elapsed, self._clients)

    async def _open(self) -> None:
        connection = await Connection.open(self._target, self._answered)
        self._connections.append(connection)
        connection.send(next(self._requests), time.perf_counter_ns())

    async def _reopen(self) -> None:
        try:
            await self._open()
        except OSError as error:
            self._refused = error

    def _answered(self, connection: Connection, status: int, now: int) -> None:
        if not self._running:
            return
        if status != IDLE and 0 < self._counted_from_ns <= connection.sent_ns:
            self._recorder.count(status, now - connection.sent_ns)
        if connection.lost:
            asyncio.get_running_loop().create_task(self._reopen())
        else:
            connection.send(next(self._requests), now)
