"""What was found under load."""

from __future__ import annotations

import asyncio
import gc
import math
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.load.connection import LOST, new_loop

BUSY = 0.9  # share of one core above which the driver, not the service, may be what is measured
LATE_NS = 1_000_000  # a request sent this much after its time, though a connection was free, is the driver's delay
UNANSWERED = -1  # in the place of a status
_WORDS = {LOST: "the connection was lost", UNANSWERED: "no answer in time"}


@dataclass(frozen=True)
class Measurement:
    """`latency_ns` has one entry a request, sorted; those that failed are infinite. `rate` is that of an open loop, which
    `gave_up` when its 99th percentile was settled to be over the bound.

    `late` is the share of requests that the driver itself sent more than a millisecond late, `busy` its share of one core.
    """

    seconds: float
    rows_per_request: float
    latency_ns: np.ndarray
    failures: Counter[str]
    late: float
    busy: float
    clients: int
    rate: float | None = None
    gave_up: bool = False

    @property
    def requests(self) -> int:
        return len(self.latency_ns)

    @property
    def answered(self) -> int:
        return self.requests - self.failures.total()

    @property
    def requests_per_s(self) -> float:
        return self.answered / self.seconds

    @property
    def rows_per_s(self) -> float:
        return self.requests_per_s * self.rows_per_request

    def percentile_ms(self, percent: float) -> float:
        """Latency that this share of all requests did not exceed, by rank in the sorted list; failed ones never ended."""
        if not self.requests:
            return math.inf
        rank = max(1, math.ceil(self.requests * percent / 100))
        return float(self.latency_ns[rank - 1]) / 1e6

    @property
    def driver_is_limit(self) -> str:
        """Why the driver may be what limits these figures, or ''."""
        if self.busy > BUSY:
            return f"the driver itself was busy for {self.busy:.0%} of a core"
        if self.late > 0.01:
            return f"the driver sent {self.late:.1%} of the requests more than 1 ms late"
        return ""


class Recorder:
    """Latencies and failures, as they come in."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.failures: Counter[str] = Counter()

    def count(self, status: int, latency_ns: float) -> float:
        """The latency that counts: infinite unless the status is 200."""
        if status != 200:
            self.failures[_WORDS.get(status, f"HTTP {status}")] += 1
            latency_ns = math.inf
        self.latencies.append(latency_ns)
        return latency_ns


def measure(measuring: Coroutine[Any, Any, Measurement]) -> Measurement:
    """Run a measurement on a loop of its own."""
    gc.collect()
    gc.disable()  # a pause of the driver would be measured as one of the service
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(measuring)
    finally:
        gc.enable()
