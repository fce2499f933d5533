"""Simulated time for tests of the batcher.

The event loop's clock is a number that jumps to the next timer, threads are entries in its timetable: a run of seconds
takes no time, and the same requests always meet the same way.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import serving.batching.runner
from serving.batching.batcher import Batcher
from zoo.spec import Graph, Port

MS = 1_000_000
POISON = -666.0


def port(name: str, *shape: int | str, dtype: str = "float32", **more: Any) -> Port:
    return Port(name=name, dtype=dtype, shape=shape, **more)


# Two free axes: requests of other widths must not be mixed.
ROWS = Graph(inputs=(port("x", "batch", "width"),), outputs=(port("y", "batch", "width"),))


class Simulation(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps."""

    def __init__(self) -> None:
        self.ns = 1000 * MS
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.ns / 1e9

    def play(self, scenario: Coroutine[Any, Any, Any]) -> Any:
        asyncio.set_event_loop(self)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("time.perf_counter_ns", lambda: self.ns)
                patch.setattr(serving.batching.runner, "ThreadPoolExecutor", lambda threads, **_: Threads(self))
                return self.run_until_complete(scenario)
        finally:
            asyncio.set_event_loop(None)
            self.close()


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: Simulation) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "everyone waits and nothing will happen: somebody was forgotten"
        self.loop.ns += max(0, round(timeout * 1e9))
        return super().select(0)


class Threads:
    """Executions that begin at once and end when they have taken their time, whatever else goes on."""

    def __init__(self, loop: Simulation) -> None:
        self.loop = loop

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        began, outcome = self.loop.ns, Future()
        result = function(*arguments)
        took, self.loop.ns = self.loop.ns - began, began
        self.loop.call_later(took / 1e9, outcome.set_result, result)
        return outcome

    def shutdown(self, wait: bool) -> None:
        pass


@dataclass
class Doubler:
    """y = 2x in `fixed_ms + row_ms · rows`; fails on POISON. `tries` are what it was called with, and when."""

    loop: Simulation
    fixed_ms: float = 0.5
    row_ms: float = 0.1
    tries: list[tuple[int, int, np.ndarray]] = field(default_factory=list)

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        x, began = inputs["x"], self.loop.ns
        self.loop.ns += int((self.fixed_ms + self.row_ms * len(x)) * MS)
        self.tries.append((began, self.loop.ns, x.copy()))
        if (x == POISON).any():
            raise RuntimeError("poisoned")
        return {"y": x * 2}

    @property
    def sizes(self) -> list[int]:
        return [len(x) for _, _, x in self.tries]

    def began(self) -> dict[float, int]:
        """When each row, by its first value, was computed first, in that order."""
        first: dict[float, int] = {}
        for began, _, x in self.tries:
            for value in x[:, 0]:
                first.setdefault(float(value), began)
        return first


def rows(*values: float, width: int = 1) -> dict[str, np.ndarray]:
    return {"x": np.array(values, np.float32)[:, None] * np.ones(width, np.float32)}


def arrivals(loop: Simulation, batcher: Batcher, gaps_ms: list[float], **more: Any) -> Coroutine[Any, Any, list[float]]:
    """Milliseconds that each of several requests of one row took, sent one after the other with these pauses before."""

    async def ask(value: float) -> float:
        began = loop.ns
        await batcher.submit(rows(value), **more)
        return (loop.ns - began) / MS

    async def scenario() -> list[float]:
        tasks = []
        for value, gap in enumerate(gaps_ms):
            await asyncio.sleep(gap / 1e3)
            tasks.append(asyncio.ensure_future(ask(value)))
        return await asyncio.gather(*tasks)

    return scenario()
