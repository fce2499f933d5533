"""A lane of an engine: some generations that go on together, round after round.

In each round the lane computes the next step of every generation that is one step from its next piece, and then one part of
the prompts of those that have just come (`parts.PART_STEPS` steps at most): a newcomer delays the others by one such part a
round, however long its prompt is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from serving.batching.costs import Costs
from serving.batching.runner import INLINE_MS
from serving.errors import NotReadyError
from serving.generation.counts import Counts
from serving.generation.parts import PART_STEPS
from serving.generation.steps import Result, Seat, Steps

_PROMPT_CELLS = 4 * PART_STEPS  # rows times steps of prompts that are read at once


class Lane:
    """Computes in a thread of its own or, where a call takes less than `INLINE_MS`, on the event loop.

    `deliver` is given the result of each seat's step.
    """

    def __init__(self, steps: Steps, costs: Costs, counts: Counts, deliver: Callable[[Seat, Result], None]) -> None:
        self.seats: list[Seat] = []
        self._steps = steps
        self._costs = costs
        self._counts = counts
        self._deliver = deliver
        self.task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"generate-{steps.graph.name}")

    def enter(self, seat: Seat) -> None:
        self.seats.append(seat)
        if self.task is None:
            self.task = asyncio.get_running_loop().create_task(self._work())

    def close(self) -> None:
        """To be called when nobody is in."""
        self._thread.shutdown(wait=False)

    async def _work(self) -> None:
        try:
            while self._sweep():
                for seats in self._round():
                    await self._step([seat for seat in seats if not seat.gone])
            self.task = None
        except BaseException as error:  # a mistake in here, or the end of the process: everyone hears of it all the same
            reason = error if isinstance(error, Exception) else NotReadyError("The service is shutting down.")
            left, self.seats, self.task = self.seats, [], None
            for seat in left:
                self._deliver(seat, reason)
            raise

    def _sweep(self) -> bool:
        """Let those go that are gone. Whether anybody is left."""
        for seat in self.seats:
            if seat.gone:
                seat.place.leave()
        self.seats = [seat for seat in self.seats if not seat.gone]
        return bool(self.seats)

    def _round(self) -> list[list[Seat]]:
        """Who is computed together, one call after the other."""
        groups = self._steps.groups(self.seats)
        calls = [group for group in groups if group[0].steps == 1]
        prompts = next((group for group in groups if group[0].steps > 1), None)
        if prompts:
            calls.append(prompts[: max(1, _PROMPT_CELLS // prompts[0].steps)])
        return calls

    async def _step(self, seats: list[Seat]) -> None:
        if not seats:
            return
        cells = len(seats) * seats[0].steps
        start = time.perf_counter_ns()
        if 0 < self._costs.expected_ns(cells) <= INLINE_MS * 1e6:
            results = self._steps.compute(seats)
        else:
            results = await asyncio.get_running_loop().run_in_executor(self._thread, self._steps.compute, seats)
        took = time.perf_counter_ns() - start
        self._costs.observe(cells, took)
        self._counts.computed(len(seats), took)
        for seat, result in zip(seats, results, strict=True):
            self._deliver(seat, result)
        await asyncio.sleep(0)  # what was delivered is sent before the next step
