"""The micro-batcher: requests of many clients become few executions of one graph.

Rows are counted, not requests. A request is checked before it queues; whoever queues is answered, gets an error of its
own, or hung up and is dropped before anything is computed for it.

When nothing runs, a request starts at once, together with all that arrived in the same turn of the event loop. Only
when the last execution had more rows, so that more are on their way, does it wait for them, `max_delay_ms` at most.
Executions that are short by measurement run on the event loop itself: handing them to a thread costs more than they do.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from serving.batches import Execution, Layout, Result, Run, compute
from serving.errors import GoneError, NotReadyError, ProtocolError, QueueFullError
from serving.stats import Statistics
from zoo.spec import Arrays, Graph

INLINE_MS = 1.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Rows in one execution, how long a request may wait for others, and rows that may queue."""

    max_rows: int = 32
    max_delay_ms: float = 1.0
    max_queue_rows: int = 1024


@dataclass(slots=True)
class _Job:
    inputs: Arrays
    rows: int
    answer: asyncio.Future[Arrays]
    is_gone: Callable[[], bool] | None
    queued_ns: int


class Batcher:
    """Batches calls of one graph; to be used from one event loop only.

    `run` computes the graph, from the event loop's thread or from the batcher's own, one call at a time.
    """

    def __init__(self, graph: Graph, run: Run, limits: Limits | None = None) -> None:
        self.graph = graph
        self.limits = limits or Limits()
        self.statistics = Statistics()
        self._layout = Layout(graph)
        self._run = run
        self._groups: dict[Hashable, deque[_Job]] = {}
        self._queued_rows = 0
        self._expected_rows = 1
        self._ns_per_row = 0.0
        self._computing: list[_Job] = []
        self._closed = False
        self._drained: asyncio.Future[None] | None = None
        self._wake_up: asyncio.Handle | None = None
        self._waiting = False  # for company: the wake-up is a timer that a full batch may cut short
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"graph-{graph.name}")

    @property
    def max_rows(self) -> int:
        """Rows that one execution takes; 0 where requests are never put together."""
        return self.limits.max_rows if self._layout.batchable else 0

    async def submit(self, inputs: Arrays, *, is_gone: Callable[[], bool] | None = None) -> Arrays:
        """Outputs by port name.

        Raises PortError when the arrays do not fit the graph's ports, QueueFullError, ExecutionError, NotReadyError
        after `close`, and GoneError when `is_gone()` is true by the time that the rows would be computed.
        """
        sizes = self.graph.check(inputs)
        rows = sizes[self._layout.batch] if self._layout.batchable else 1
        self._admit(rows)
        key = self._layout.key(inputs, sizes) if self._layout.batchable else object()
        if not self._layout.batchable or rows <= self.limits.max_rows:
            return await self._enqueue(key, inputs, rows, is_gone)
        pieces = self._layout.cut(inputs, rows, self.limits.max_rows)
        answers = [self._enqueue(key, piece, count, is_gone) for piece, count in pieces]
        return self._layout.mend(await _all(answers))

    async def close(self) -> None:
        """Refuse what comes from now on, and return when everything that is queued has been answered."""
        self._closed = True
        while self._computing or self._groups:  # what runs may be for somebody who no longer waits
            self._drained = self._drained or asyncio.get_running_loop().create_future()
            await self._drained
        self._thread.shutdown(wait=False)

    def warm_up(self, inputs: Arrays, *, times: int = 4) -> float:
        """Milliseconds that one row takes, of the fastest of some runs on `inputs`, which nobody asked for.

        The first run also has the runtime allocate its memory. 0 when the graph fails on these inputs.
        """
        runs = [compute(self._layout, self._run, [(inputs, 1)])[1] for _ in range(times)]
        self._ns_per_row = float(min((execution.ns for run in runs for execution in run), default=0))
        return self._ns_per_row / 1e6

    def _admit(self, rows: int) -> None:
        if self._closed:
            raise NotReadyError("The service is shutting down; send the request again in a moment.")
        limit = self.limits.max_queue_rows
        if rows > limit:
            raise ProtocolError(f"The request has {rows} rows; send at most {limit} at once.", status=413)
        if self._queued_rows + rows > limit:
            self.statistics.rejected.add(0)
            raise QueueFullError(
                f"{self._queued_rows} rows wait for graph {self.graph.name!r}, which queues {limit}; try again shortly."
            )

    def _enqueue(
        self, key: Hashable, inputs: Arrays, rows: int, is_gone: Callable[[], bool] | None
    ) -> asyncio.Future[Arrays]:
        loop = asyncio.get_running_loop()
        job = _Job(inputs, rows, loop.create_future(), is_gone, time.perf_counter_ns())
        self._groups.setdefault(key, deque()).append(job)
        self._queued_rows += rows
        if self._computing:
            return job.answer  # the end of the run looks at the queue again
        if self._waiting and self._queued_rows >= self._expected_rows:
            self._cancel_wake_up()
        if self._wake_up is None:
            self._wake_up = loop.call_soon(self._dispatch)
        return job.answer

    def _cancel_wake_up(self) -> None:
        if self._wake_up is not None:
            self._wake_up.cancel()
        self._wake_up = None
        self._waiting = False

    def _dispatch(self) -> None:
        """Start an execution, or wait a little longer for company."""
        self._cancel_wake_up()
        loop = asyncio.get_running_loop()
        delay = self._patience()
        if delay > 0:
            self._waiting = True
            self._wake_up = loop.call_later(delay, self._dispatch)
            return
        jobs = self._take()
        if not jobs:
            self._rest()
            return
        self._computing = jobs
        requests = [(job.inputs, job.rows) for job in jobs]
        if self._ns_per_row * sum(job.rows for job in jobs) <= INLINE_MS * 1e6:
            self._deliver(jobs, *compute(self._layout, self._run, requests))
            return
        computed = loop.run_in_executor(self._thread, compute, self._layout, self._run, requests)
        computed.add_done_callback(lambda done: self._deliver(jobs, *done.result()))

    def _patience(self) -> float:
        """Seconds that the oldest request may still wait for others; 0 when none are expected."""
        if self._closed or self._queued_rows >= self._expected_rows or not self._groups:
            return 0.0
        oldest_ns = min(jobs[0].queued_ns for jobs in self._groups.values())
        left_ns = self.limits.max_delay_ms * 1e6 - (time.perf_counter_ns() - oldest_ns)
        return left_ns / 1e9 if left_ns >= 5e5 else 0.0  # timers of the event loop count whole milliseconds

    def _take(self) -> list[_Job]:
        """The next requests that may share an execution, in order of arrival; those that nobody waits for are dropped."""
        jobs: list[_Job] = []
        while self._groups and not jobs:
            key = next(iter(self._groups))
            group = self._groups.pop(key)
            rows = 0
            while group and (not rows or rows + group[0].rows <= self.limits.max_rows):
                job = group.popleft()
                self._queued_rows -= job.rows
                if self._is_wanted(job):
                    jobs.append(job)
                    rows += job.rows
            if group:
                self._groups[key] = group  # at the end: every shape gets its turn
        return jobs

    def _is_wanted(self, job: _Job) -> bool:
        if not job.answer.done() and not (job.is_gone is not None and job.is_gone()):
            return True
        self.statistics.cancelled.add(time.perf_counter_ns() - job.queued_ns)
        if not job.answer.done():
            job.answer.set_exception(GoneError("The client hung up before its request was computed."))
        return False

    def _deliver(self, jobs: list[_Job], results: list[Result], executions: list[Execution]) -> None:
        self._computing = []
        self._count(jobs, results, executions)
        for job, result in zip(jobs, results, strict=True):
            if job.answer.done():  # the client's task was cancelled while the graph ran
                continue
            if isinstance(result, Exception):
                job.answer.set_exception(result)
            else:
                job.answer.set_result(result)
        self._rest()
        if self._groups:
            self._wake_up = asyncio.get_running_loop().call_soon(self._dispatch)

    def _rest(self) -> None:
        """Tell `close` when nothing is left to do."""
        if self._drained is not None and not self._drained.done() and not self._groups:
            self._drained.set_result(None)

    def _count(self, jobs: list[_Job], results: list[Result], executions: list[Execution]) -> None:
        statistics, now = self.statistics, time.perf_counter_ns()
        compute_ns = sum(execution.ns for execution in executions)
        for execution in executions:
            statistics.executed(execution.rows, execution.ns)
            if execution.rows:
                self._ns_per_row += 0.25 * (execution.ns / execution.rows - self._ns_per_row)
        self._expected_rows = min(sum(job.rows for job in jobs), self.limits.max_rows) if self._layout.batchable else 1
        for job, result in zip(jobs, results, strict=True):
            took = now - job.queued_ns
            statistics.queue.add(max(0, took - compute_ns))
            (statistics.fail if isinstance(result, Exception) else statistics.success).add(took)


async def _all(answers: list[asyncio.Future[Arrays]]) -> list[Arrays]:
    """Every answer, or the first error; what is not computed by then is cancelled."""
    try:
        return [await answer for answer in answers]
    finally:
        for answer in answers:
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen, so that it is not reported as forgotten
            answer.cancel()
