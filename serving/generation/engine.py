"""The engine: the generations of many clients go on together, one call of the graph for the next step of all of them.

A generation waits in the line until a slot is free, and holds it until its answer is whole, its client leaves, or it fails.
In each round the engine computes the next step of every generation that is one step from its next piece, together, and
then one part of the prompts of those that have just come (`parts.PART_STEPS` steps at most): a newcomer delays the
others by one such part a round, however long its prompt is.

What the graph remembers stays where the runtime put it: each call's states are the next one's inputs, without a copy. A
copy is made of the row that takes the place of one that left, and of all rows only where there are more than before. (ONNX
Runtime 1.31 on the CPU reads and writes NumPy arrays in place; bound outputs took as long, 2.2 ms for 50 MB.)
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from serving.batching.batches import Run
from serving.batching.costs import Costs
from serving.batching.limits import Limits
from serving.batching.runner import INLINE_MS
from serving.errors import ExecutionError, NotReadyError, QueueFullError
from serving.generation.counts import Counts
from serving.generation.parts import PART_STEPS, Part, Parts
from zoo.generation import Carrier, Generation, Piece, Place
from zoo.spec import Arrays, Graph

log = logging.getLogger(__name__)

Event = list[Piece] | Exception | None
Deliver = Callable[[Event], None]

_PROMPT_CELLS = 4 * PART_STEPS  # rows times steps of prompts that are read at once


class Seat:
    """One generation in the engine. `deliver` is given pieces as they come, and at last None, or the error that ended it."""

    def __init__(self, generation: Generation, deliver: Deliver, parts: Sequence[Part], place: Place) -> None:
        self.generation = generation
        self.deliver = deliver
        self.parts = deque(parts)
        self.outputs: list[Arrays] = []  # of the parts of the call that were computed
        self.place = place
        self.asked_ns = time.perf_counter_ns()
        self.started = False
        self.gone = False

    def take(self, outputs: Arrays, parts: Parts, carrier: Carrier) -> list[Piece]:
        """The pieces that the outputs of the first part bring; afterwards `parts` is empty when the answer is whole."""
        self.outputs.append(outputs)
        self.parts.popleft()
        if self.parts:
            return []
        whole, self.outputs = parts.mend(self.outputs), []
        pieces = self.generation.take(whole)
        call = self.generation.inputs()
        if call is not None:
            call, self.place = carrier.brought(call, self.place)
            self.parts.extend(parts.cut(call))
        return pieces


class Engine:
    """Generations by one graph; to be used from one event loop only.

    `run` computes the graph, in the engine's thread or, where it takes less than `INLINE_MS`, on the event loop.
    """

    def __init__(self, graph: Graph, run: Run, limits: Limits) -> None:
        self.graph = graph
        self.limits = limits
        self.counts = Counts()
        self._run = run
        self._parts = Parts(graph)
        self._carrier = Carrier(graph)
        self._costs = Costs()
        self._line: deque[Seat] = deque()
        self._seats: list[Seat] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=f"generate-{graph.name}")

    def submit(self, generation: Generation, deliver: Deliver) -> Seat | None:
        """Let the generation wait for a slot. None when it needs none: its answer is whole already.

        Raises QueueFullError, NotReadyError after `close`, and PortError when its first call does not fit the graph.
        """
        self.require_room(1)
        call = generation.inputs()
        if call is None:
            deliver(None)
            return None
        call, place = self._carrier.brought(call, self._carrier.blank(self._parts.first(call)))
        seat = Seat(generation, deliver, self._parts.cut(call), place)
        self._line.append(seat)
        self._count()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())
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
        if self._task is not None:
            await asyncio.wait([self._task])
        self._threads.shutdown(wait=False)
        self._run = _closed

    async def _work(self) -> None:
        try:
            while self._admit():
                for seats in self._round():
                    await self._step([seat for seat in seats if not seat.gone])
        except BaseException as error:  # a mistake in here, or the end of the process: everyone hears of it all the same
            for seat in [*self._seats, *self._line]:
                self._fail(seat, error)
            self._seats.clear()
            self._line.clear()
            raise
        finally:
            self._task = None
            self._count()

    def _admit(self) -> bool:
        """Let those go that are gone, and those in that have waited longest. Whether anybody is in."""
        for seat in self._seats:
            if seat.gone:
                seat.place.leave()
        self._seats = [seat for seat in self._seats if not seat.gone]
        while self._line and len(self._seats) < self.limits.max_slots:
            seat = self._line.popleft()
            if not seat.gone:
                self._seats.append(seat)
        self._count()
        return bool(self._seats)

    def _round(self) -> list[list[Seat]]:
        """Who is computed together, one call after the other: all that are a step from their next piece, then newcomers."""
        groups: dict[object, list[Seat]] = {}
        for seat in self._seats:
            alone = 0 if self.graph.batch else id(seat)
            groups.setdefault((seat.parts[0].kin, self._carrier.kin(seat.place), alone), []).append(seat)
        calls = [group for group in groups.values() if group[0].parts[0].steps == 1]
        prompts = next((group for group in groups.values() if group[0].parts[0].steps > 1), None)
        if prompts:
            calls.append(prompts[: max(1, _PROMPT_CELLS // prompts[0].parts[0].steps)])
        return calls

    async def _step(self, seats: list[Seat]) -> None:
        if not seats:
            return
        cells = len(seats) * seats[0].parts[0].steps
        expected_ms = self._costs.expected_ns(cells) / 1e6
        start = time.perf_counter_ns()
        if 0 < expected_ms <= INLINE_MS:
            results = self._compute(seats)
        else:
            results = await asyncio.get_running_loop().run_in_executor(self._threads, self._compute, seats)
        took = time.perf_counter_ns() - start
        self._costs.observe(cells, took)
        self.counts.computed(len(seats), took)
        for seat, result in zip(seats, results, strict=True):
            self._deliver(seat, result)
        await asyncio.sleep(0)  # what was delivered is sent before the next step

    def _compute(self, seats: list[Seat]) -> list[list[Piece] | Exception]:
        """What each generation gets of this call, or its error. A call that fails is made again for each half."""
        try:
            outputs = self._call(seats)
        except Exception as error:  # the runtime raises a dozen unrelated types
            if len(seats) == 1:
                log.error("Graph %r failed on a step that had passed its checks: %s", self.graph.name, str(error)[:500])
                return [ExecutionError(f"Graph {self.graph.name!r} failed on this input; the server's log has the reason.")]
            middle = len(seats) // 2
            return self._compute(seats[:middle]) + self._compute(seats[middle:])
        return [self._taken(seat, output) for seat, output in zip(seats, outputs, strict=True)]

    def _call(self, seats: list[Seat]) -> list[Arrays]:
        """Each generation's outputs of one call of the graph, in the order of `seats`."""
        states = self._carrier.bring([seat.place for seat in seats])
        ordered = sorted(seats, key=lambda seat: seat.place.row)
        parts = [seat.parts[0] for seat in ordered]
        outputs = self._run({**self._parts.join(parts), **states.arrays})
        found = self._parts.split(self._carrier.carry(outputs, [seat.place for seat in ordered]), parts)
        return [found[seat.place.row] for seat in seats]

    def _taken(self, seat: Seat, outputs: Arrays) -> list[Piece] | Exception:
        try:
            return seat.take(outputs, self._parts, self._carrier)
        except Exception as error:  # a codec's own mistake, which is not the neighbours'
            return error

    def _deliver(self, seat: Seat, result: list[Piece] | Exception) -> None:
        if seat.gone:
            return
        if isinstance(result, Exception):
            self._fail(seat, result)
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

    def _fail(self, seat: Seat, error: BaseException) -> None:
        if not seat.gone:
            self._end(seat, "failed")
            seat.deliver(error if isinstance(error, Exception) else NotReadyError("The service is shutting down."))

    def _end(self, seat: Seat, outcome: str) -> None:
        """The slot is free from now on: at the next round somebody else has it."""
        seat.gone = True
        self.counts.outcomes[outcome] += 1
        self._count()

    def _count(self) -> None:
        self.counts.slots = sum(not seat.gone for seat in self._seats)
        self.counts.waiting = sum(not seat.gone for seat in self._line)


def _closed(inputs: Arrays) -> Arrays:
    raise ExecutionError("The graph is closed.")
