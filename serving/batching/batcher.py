"""The micro-batcher: requests of many clients become few executions of one graph.

Rows are counted, not requests. A request is checked before it queues; whoever queues is answered, gets an error of its
own, or is dropped before anything is computed for it, because its client hung up or its deadline passed.

When nothing runs, a request starts at once, together with all that arrived in the same turn of the event loop. It waits
for company only while fewer rows are queued than arrive, at the measured rate, within the fixed cost of an execution: the
next row then saves more than those that wait lose. Nobody waits longer than that cost, nor than `max_delay_ms`.

Where executions run, and how many at once, is in `runner.py`; who is computed next in `line.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from serving.batching.alarm import NEVER, Alarm
from serving.batching.batches import Execution, Key, Layout, Request, Result, Run
from serving.batching.limits import Alone, Backlog, Limits
from serving.batching.line import MAX_LEVEL, Group, Job, Line
from serving.batching.runner import Runner
from serving.batching.stats import Statistics
from serving.errors import DeadlineError, ExecutionError, GoneError, NotReadyError, QueueFullError, too_many_rows
from zoo.spec import Arrays, Graph

_TIMER_MS = 0.5  # timers of the event loop count whole milliseconds: a shorter wait is none
_SWEEP_MS = 5.0  # deadlines that pass one soon after the other are looked after together


class Batcher:
    """Batches calls of one graph; to be used from one event loop only.

    `run` computes the graph. It is called from the event loop's thread and from the batcher's own, up to
    `limits.max_in_flight` calls at the same time: it must stand that (a session of ONNX Runtime does).
    """

    def __init__(self, graph: Graph, run: Run, limits: Limits | None = None, backlog: Backlog | None = None) -> None:
        self.graph = graph
        self.limits = limits or Limits()
        self.statistics = Statistics()
        self._layout = Layout(graph)
        self._runner = Runner(self._layout, run, self.limits.max_in_flight)
        self._backlog = backlog or Alone()
        self._line = Line()
        self._closed = False
        self._drained: asyncio.Future[None] | None = None
        self._wake_up: asyncio.Handle | None = None
        self._awaited: tuple[Group, float] | None = None  # while company is waited for: the group, rows that are enough
        self._alarm = Alarm(self._expire)

    @property
    def max_rows(self) -> int:
        """Rows that one execution takes; 0 where requests are never put together."""
        return self.limits.max_rows if self._layout.batchable else 0

    @property
    def queued_rows(self) -> int:
        return self._line.rows

    async def submit(
        self,
        inputs: Arrays,
        *,
        is_gone: Callable[[], bool] | None = None,
        deadline_ns: int | None = None,
        priority: int = 0,
    ) -> Arrays:
        """Outputs by port name.

        Of two requests the one with the larger `priority` is sooner, as far as its age allows (`serving/batching/line.py`).

        Raises PortError when the arrays do not fit the graph's ports, QueueFullError, ExecutionError, NotReadyError
        after `close`, and, by the time that the rows would be computed, GoneError when `is_gone()` and DeadlineError
        when `time.perf_counter_ns()` has reached `deadline_ns`.
        """
        layout, max_rows = self._layout, self.limits.max_rows
        inputs = self.graph.complete(inputs)
        sizes = self.graph.check(inputs)
        rows = sizes[layout.batch] if layout.batchable else 1
        now = time.perf_counter_ns()
        due = NEVER if deadline_ns is None else deadline_ns
        self._admit(rows, due, now)
        key, cells = layout.key(inputs, sizes), layout.cells(sizes)
        level = max(-MAX_LEVEL, min(MAX_LEVEL, priority)) if priority else 0
        future = asyncio.get_running_loop().create_future
        if rows <= max_rows or not layout.batchable:
            job = Job(inputs, rows, cells, key[1], future(), is_gone, now, due, level, False)
            self._enqueue(key, job)
            try:
                return await job.answer
            finally:
                del job  # an error's traceback holds this frame: with the job it would be a circle that keeps the body
        jobs = [
            Job(piece, min(max_rows, rows - start), cells, key[1], future(), is_gone, now, due, level, True)
            for start, piece in zip(range(0, rows, max_rows), layout.cut(inputs, rows, max_rows), strict=True)
        ]
        for job in jobs:
            self._enqueue(key, job)
        return await self._whole(jobs, now)

    def share(self, backlog: Backlog) -> None:
        """Keep one limit together with other processes from now on."""
        self._backlog = backlog

    async def close(self) -> None:
        """Refuse what comes from now on, and return when everything that is queued has been answered."""
        self._closed = True
        while self._runner.in_flight or self._line.groups:  # what runs may be for somebody who no longer waits
            self._drained = self._drained or asyncio.get_running_loop().create_future()
            await self._drained
        self._alarm.stop()
        self._runner.shutdown()

    def warm_up(self, inputs: Arrays, *, times: int = 4) -> float:
        """Milliseconds that `inputs` take, of the fastest of some runs, which nobody asked for.

        The first run also has the runtime allocate its memory. A larger batch of the same is run too, so that the costs
        are known before the first request. 0 when the graph fails on these inputs.
        """
        inputs = self.graph.complete(inputs)
        sizes = self.graph.check(inputs)
        rows = sizes[self._layout.batch] if self._layout.batchable else 1
        request = Request(inputs, rows, self._layout.cells(sizes), self._layout.padding.sizes(sizes))
        return self._runner.warm_up(request, self.max_rows, times)

    def _admit(self, rows: int, deadline_ns: int, now: int) -> None:
        if self._closed:
            raise NotReadyError("The service is shutting down; send the request again in a moment.")
        limit = self.limits.max_queue_rows
        if rows > limit:
            raise too_many_rows(rows, limit)
        if deadline_ns <= now:
            self.statistics.outcomes["expired"].add(0)
            raise _late()
        queued = self._line.rows + self._backlog.others()
        if queued + rows > limit:
            self.statistics.outcomes["rejected"].add(0)
            raise QueueFullError(
                f"{queued} rows wait for graph {self.graph.name!r}, which queues {limit}; try again shortly."
            )

    def _enqueue(self, key: Key, job: Job) -> None:
        group = self._line.add(key, job)
        self._backlog.publish(self._line.rows)
        if job.deadline_ns < self._alarm.soonest_ns:
            self._alarm.watch(job.deadline_ns)
        if not self._runner.is_free:
            return  # the end of a run looks at the line again
        if self._awaited is not None and self._awaited[0] is group and group.rows >= self._awaited[1]:
            self._cancel_wake_up()
        if self._wake_up is None:
            self._wake_up = asyncio.get_running_loop().call_soon(self._dispatch)

    async def _whole(self, jobs: list[Job], now: int) -> Arrays:
        """The answer to an oversized request, or the first error; pieces that are not computed by then are cancelled."""
        outcome = "cancelled"
        try:
            answer = self._layout.mend([await job.answer for job in jobs], [job.rows for job in jobs])
            outcome = "success"
            return answer
        except (DeadlineError, GoneError, ExecutionError) as error:
            outcome = _outcome(error)
            raise
        finally:
            end = time.perf_counter_ns()
            if outcome == "cancelled" and jobs[0].deadline_ns <= end:
                outcome = "expired"
            self.statistics.outcomes[outcome].add(end - now)
            for job in jobs:
                if job.answer.done() and not job.answer.cancelled():
                    job.answer.exception()  # seen, so that it is not reported as forgotten
                job.answer.cancel()
            jobs.clear()
            del job

    def _cancel_wake_up(self) -> None:
        if self._wake_up is not None:
            self._wake_up.cancel()
        self._wake_up = None
        self._awaited = None

    def _dispatch(self) -> None:
        """Start executions as long as one may start, or wait a little longer for company."""
        self._cancel_wake_up()
        while self._line.groups and self._runner.is_free:
            now = time.perf_counter_ns()
            group = self._line.first()
            delay_ms = self._patience_ms(group, now)
            if delay_ms > 0:
                self._wake_up = asyncio.get_running_loop().call_later(delay_ms / 1e3, self._dispatch)
                return
            jobs = self._take(group, now)
            if jobs and self._runner.start(jobs, partial(self._deliver, jobs, now)):
                return  # it ran on the event loop, which has other things to do before the next one
        self._rest()

    def _patience_ms(self, group: Group, now: int) -> float:
        """How long the group may still wait for others; 0 when it should start."""
        fixed_ns = self._runner.costs.fixed_ns
        longest_ns = min(fixed_ns, self.limits.max_delay_ms * 1e6)
        if self._closed or longest_ns < _TIMER_MS * 1e6:
            return 0.0
        enough = min(group.rate(now) * fixed_ns, self.max_rows)
        if group.rows + 1 > enough:
            return 0.0
        oldest = min(lane[0].queued_ns for lane in group.lanes.values())
        end = min(oldest + longest_ns, self._alarm.soonest_ns - fixed_ns)
        left_ms = (end - now) / 1e6
        if left_ms < _TIMER_MS:
            return 0.0
        self._awaited = (group, enough)
        return left_ms

    def _take(self, group: Group, now: int) -> list[Job]:
        """The next requests that may share an execution; those that nobody waits for are dropped."""
        max_rows = self._runner.share(min(group.rows, self.max_rows), group.head().cells)
        room = max_rows if max_rows < group.rows else self.max_rows
        jobs = self._line.take(group, room, self._is_wanted, now)
        if jobs and self._layout.padding.axes and len(self._line.groups) > 1:
            room -= sum(job.rows for job in jobs)
            spare_cells = self._runner.costs.fixed_ns / max(self._runner.costs.per_cell_ns, 1e-9)
            for other in self._line.company(jobs, group, room, spare_cells):
                jobs += self._line.take(other, room, self._is_wanted, now)
        self._backlog.publish(self._line.rows)
        return jobs

    def _is_wanted(self, job: Job, now: int) -> bool:
        if job.answer.done():  # the client's task was cancelled, at its deadline or by itself
            self._count(job, "expired" if job.deadline_ns <= now else "cancelled", now)
        elif job.deadline_ns <= now:
            self._drop(job, _late(), now)
        elif job.is_gone is not None and job.is_gone():
            self._drop(job, GoneError("The client hung up before its request was computed."), now)
        else:
            return True
        return False

    def _drop(self, job: Job, error: DeadlineError | GoneError, now: int) -> None:
        job.answer.set_exception(error)
        self._count(job, _outcome(error), now)

    def _count(self, job: Job, outcome: str, now: int) -> None:
        if not job.piece:
            self.statistics.outcomes[outcome].add(now - job.queued_ns)

    def _deliver(self, jobs: list[Job], started_ns: int, results: list[Result], executions: list[Execution]) -> None:
        now = time.perf_counter_ns()
        statistics = self.statistics
        for execution in executions:
            statistics.executed(execution)
        statistics.queue_delay.extend([started_ns - job.queued_ns for job in jobs])
        for job, result in zip(jobs, results, strict=True):
            answer, waits = job.answer, not job.answer.done()  # the client's task may be cancelled while the graph runs
            if isinstance(result, Exception):
                self._count(job, "failed", now)
                if waits:
                    answer.set_exception(result)
            else:
                self._count(job, "success", now)
                if waits:
                    answer.set_result(result)
        if self._line.groups and self._wake_up is None:
            self._wake_up = asyncio.get_running_loop().call_soon(self._dispatch)
        self._rest()

    def _rest(self) -> None:
        """Tell `close` when nothing is left to do."""
        if self._drained is not None and not (self._drained.done() or self._line.groups or self._runner.in_flight):
            self._drained.set_result(None)

    def _expire(self) -> None:
        """Answer those whose deadline has passed while they wait."""
        now = time.perf_counter_ns()
        for job in self._line.expire(now):
            self._is_wanted(job, now)  # no: it is dropped
        self._backlog.publish(self._line.rows)
        self._alarm.watch(self._line.soonest_ns(), least_ms=_SWEEP_MS)
        self._rest()


def _late() -> DeadlineError:
    return DeadlineError(
        "The deadline passed before the request was computed; allow more time, or try again when less waits."
    )


def _outcome(error: Exception) -> str:
    if isinstance(error, DeadlineError):
        return "expired"
    return "cancelled" if isinstance(error, GoneError) else "failed"
