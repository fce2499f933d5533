"""Where executions run, how many at once, and what they cost.

Executions that are short by measurement run on the event loop itself: 32 clients of a network of 1 MFLOP, 32 rows in
1.5 ms, cost 123 µs of CPU a request there and 132 µs by way of a thread.

Longer ones run in threads, `max_in_flight` at once, and share the rows that wait. Two pay where a session has one thread,
and give what a session of two threads gives alone without suffering as it does when a core is busy otherwise. Rows a
second of a convolution of 100 MFLOP, batches of 32, two cores, best of 25 and (median beside other work):

| threads of the session | one in flight | two |
|---|---|---|
| 1 | 1118 (1047) | 2228 (1061) |
| 2 | 2232 (712) | 1877 (861) |
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from serving.batching.batches import Execution, Layout, Request, Result, Run, compute, guilty
from serving.batching.costs import Costs
from serving.errors import ExecutionError
from zoo.spec import Arrays

INLINE_MS = 2.0
_WARM_UP_MS = 20.0  # a larger batch that is run for the sake of knowing its cost takes about so long
_SLOW_MS = 250.0  # graphs that take longer are not run for that

Outcome = tuple[list[Result], list[Execution]]
Deliver = Callable[[list[Result], list[Execution]], None]


class Runner:
    """Runs one graph from one event loop."""

    def __init__(self, layout: Layout, run: Run, max_in_flight: int) -> None:
        self.costs = Costs()
        self.in_flight = 0
        self._layout = layout
        self._run = run
        self._max_in_flight = max_in_flight
        self._threads = ThreadPoolExecutor(max_in_flight, thread_name_prefix=f"graph-{layout.name}")

    @property
    def is_free(self) -> bool:
        return self.in_flight < self._max_in_flight

    def share(self, rows: int, cells: int) -> int:
        """How many of `rows` one execution should take, so that the free threads finish all of them soonest.

        All, where they run on the event loop, or where the fixed cost of more executions exceeds the time that is saved.
        """
        free = self._max_in_flight - self.in_flight
        whole, fixed = self.costs.expected_ns(rows * cells), self.costs.fixed_ns
        if free < 2 or whole <= INLINE_MS * 1e6 or whole - fixed <= free * fixed:
            return rows
        return -(-rows // free)

    def start(self, requests: Sequence[Request], deliver: Deliver) -> bool:
        """Compute, here or in a thread, and hand the outcome to `deliver` on the event loop. True when it ran here."""
        self.in_flight += 1
        here = self.costs.expected_ns(self._layout.cells_of(requests)) <= INLINE_MS * 1e6
        try:
            if here:
                outcome = compute(self._layout, self._run, requests)
            else:
                loop = asyncio.get_running_loop()
                computed = loop.run_in_executor(self._threads, compute, self._layout, self._run, requests)
        except BaseException as error:  # the end of the process, or no thread to be had: everyone is answered all the same
            self._finish(deliver, self._crash(requests, error))
            if isinstance(error, Exception):
                return here
            raise
        if here:
            self._finish(deliver, outcome)
        else:
            computed.add_done_callback(partial(self._computed, requests, deliver))
        return here

    def shutdown(self) -> None:
        """Let the graph go: what the garbage collector was told to spare is freed by nobody else."""
        self._threads.shutdown(wait=False)
        self._run = _closed

    def warm_up(self, request: Request, max_rows: int, times: int) -> float:
        """Milliseconds of the fastest run of `request`; a batch of it is run too: one size tells no fixed cost."""
        fastest = self._try([request], times)
        if 0 < fastest < _SLOW_MS and 0 < 2 * request.rows <= max_rows:
            some = int(_WARM_UP_MS / fastest)
            self._try([request] * max(2, min(some, max_rows // request.rows)), times if some > 1 else 2)
        return fastest

    def _try(self, requests: list[Request], times: int) -> float:
        runs = [compute(self._layout, self._run, requests)[1] for _ in range(times)]
        executions = [run[0] for run in runs if len(run) == 1]  # more than one when it failed
        if not executions:
            return 0.0
        fastest = min(executions, key=lambda execution: execution.ns)
        self.costs.observe(fastest.cells, fastest.ns)
        return fastest.ns / 1e6

    def _computed(self, requests: Sequence[Request], deliver: Deliver, computed: asyncio.Future[Outcome]) -> None:
        error = computed.exception()
        self._finish(deliver, computed.result() if error is None else self._crash(requests, error))

    def _crash(self, requests: Sequence[Request], error: BaseException) -> Outcome:
        return [guilty(self._layout, error) for _ in requests], []

    def _finish(self, deliver: Deliver, outcome: Outcome) -> None:
        self.in_flight -= 1
        results, executions = outcome
        for execution in executions:
            self.costs.observe(execution.cells, execution.ns)
        deliver(results, executions)


def _closed(inputs: Arrays) -> Arrays:
    raise ExecutionError("The graph is closed.")
