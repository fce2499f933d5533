"""The engine: the generations of many clients go on together, one call of the graph for the next step of several.

A generation waits in the line until a slot is free, and holds it until its answer is whole, its client leaves, or it fails.
Those that hold a slot are spread over lanes, as many as executions of the graph may run at once: while one lane computes,
the answers of another are drawn and sent.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

from serving.batching.batches import Run
from serving.batching.costs import Costs
from serving.batching.limits import Limits
from serving.errors import NotReadyError, QueueFullError
from serving.generation.counts import Counts
from serving.generation.lane import Lane
from serving.generation.steps import Deliver, Result, Seat, Steps
from zoo.generation import Generation
from zoo.spec import Graph


class Engine:
    """Generations by one graph; to be used from one event loop only.

    `run` computes the graph, up to `limits.max_in_flight` calls at the same time: it must stand that.
    """

    def __init__(self, graph: Graph, run: Run, limits: Limits) -> None:
        self.graph = graph
        self.limits = limits
        self.counts = Counts()
        self._steps = Steps(graph, run)
        self._line: deque[Seat] = deque()
        costs = Costs()
        self._lanes = [Lane(self._steps, costs, self.counts, self._deliver) for _ in range(limits.max_in_flight)]
        self._closed = False

    def submit(self, generation: Generation, deliver: Deliver) -> Seat | None:
        """Let the generation wait for a slot. None when it needs none: its answer is whole already.

        Raises QueueFullError, NotReadyError after `close`, and PortError when its first call does not fit the graph.
        """
        self.require_room(1)
        call = generation.inputs()
        if call is None:
            deliver(None)
            return None
        seat = self._steps.seat(generation, call, deliver)
        self._line.append(seat)
        self._admit()
        return seat

    def require_room(self, count: int) -> None:
        """Raises QueueFullError unless so many generations may come now, and NotReadyError after `close`."""
        if self._closed:
            raise NotReadyError("The service is shutting down; send the request again in a moment.")
        slots, line = self.limits.max_slots, self.limits.max_waiting
        if self.counts.slots + self.counts.waiting + count > slots + line:
            self.counts.outcomes["rejected"] += count
            raise QueueFullError(
                f"{self.counts.slots} generations of graph {self.graph.name!r} are under way, of {slots}, and "
                f"{self.counts.waiting} wait, of {line}; try again shortly."
            )

    def leave(self, seat: Seat) -> None:
        """Give up a generation, wherever it is; nothing is delivered to it any more."""
        if not seat.gone:
            self._end(seat, "cancelled")

    async def close(self) -> None:
        """Refuse what comes from now on, and return when every generation has ended."""
        self._closed = True
        while working := [lane.task for lane in self._lanes if lane.task is not None]:
            await asyncio.wait(working)  # whoever waits in the line comes into a lane before the last one is done
        for lane in self._lanes:
            lane.close()
        self._steps.close()

    def _admit(self) -> None:
        """Let those in that have waited longest, as long as there are slots, each to the lane with the fewest."""
        busy = {lane: sum(not seat.gone for seat in lane.seats) for lane in self._lanes}
        while self._line and sum(busy.values()) < self.limits.max_slots:
            seat = self._line.popleft()
            if not seat.gone:
                lane = min(self._lanes, key=busy.__getitem__)
                lane.enter(seat)
                busy[lane] += 1
        self.counts.slots = sum(busy.values())
        self.counts.waiting = sum(not seat.gone for seat in self._line)

    def _deliver(self, seat: Seat, result: Result) -> None:
        if seat.gone:
            return
        if isinstance(result, Exception):
            self._end(seat, "failed")
            seat.deliver(result)
            return
        if result:
            if not seat.started:
                seat.started = True
                self.counts.first.extend((time.perf_counter_ns() - seat.asked_ns,))
            self.counts.tokens += len(result)
            seat.deliver(result)
        if not seat.parts:
            self._end(seat, "success")
            seat.deliver(None)

    def _end(self, seat: Seat, outcome: str) -> None:
        """The slot is free from now on."""
        seat.gone = True
        self.counts.outcomes[outcome] += 1
        self._admit()
