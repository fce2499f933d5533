"""One step of several generations as one call of the graph. No queue, no clock, no event loop.

What the graph remembers stays where the runtime put it: each call's states are the next one's inputs, without a copy. A
copy is made of the row that takes the place of one that left, and of all rows only where there are more than before. (ONNX
Runtime 1.31 on the CPU reads and writes NumPy arrays in place; bound outputs took as long, 2.2 ms for 50 MB.)
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from serving.batching.batches import Run
from serving.errors import ExecutionError
from serving.generation.parts import Part, Parts
from zoo.generation import Carrier, Generation, Piece, Place
from zoo.spec import Arrays, Graph

log = logging.getLogger(__name__)

Event = list[Piece] | Exception | None
Deliver = Callable[[Event], None]
Result = list[Piece] | Exception


class Seat:
    """One generation in an engine. `deliver` is given pieces as they come, and at last None, or the error that ended it.

    `parts` are those of its next call; when there is none left, its answer is whole. `read` are the steps (tokens of a
    prompt, say) that were computed for its first piece.
    """

    def __init__(self, generation: Generation, deliver: Deliver, parts: Sequence[Part], place: Place) -> None:
        self.generation = generation
        self.deliver = deliver
        self.parts = deque(parts)
        self.outputs: list[Arrays] = []  # of the parts of the call that were computed
        self.place = place
        self.asked_ns = time.perf_counter_ns()
        self.read = 0
        self.started = False
        self.gone = False

    @property
    def steps(self) -> int:
        """Of the part that is computed next: 1, or more of a prompt."""
        return self.parts[0].form.steps


class Steps:
    """Computes steps of generations by one graph; `run` computes the graph, and may be called from several threads."""

    def __init__(self, graph: Graph, run: Run) -> None:
        self.graph = graph
        self._run = run
        self._parts = Parts(graph)
        self._carrier = Carrier(graph)

    def seat(self, generation: Generation, call: Arrays, deliver: Deliver) -> Seat:
        """A generation before its first call. Raises PortError when that does not fit the graph."""
        rest, place = self._carrier.brought(call, self._carrier.blank(self._parts.first(call)))
        return Seat(generation, deliver, self._parts.cut(rest), place)

    def groups(self, seats: Sequence[Seat]) -> list[list[Seat]]:
        """Those that may share a call of the graph."""
        groups: dict[object, list[Seat]] = {}
        for seat in seats:
            alone = None if self.graph.batch else id(seat)
            groups.setdefault((seat.parts[0].kin, self._carrier.kin(seat.place), alone), []).append(seat)
        return list(groups.values())

    def compute(self, seats: Sequence[Seat]) -> list[Result]:
        """What each generation of a group gets of its next step, or its error. A call that fails is made for each half."""
        try:
            outputs = self._call(seats)
        except Exception as error:  # the runtime raises a dozen unrelated types
            if len(seats) == 1:
                log.error("Graph %r failed on a step that had passed its checks: %s", self.graph.name, str(error)[:500])
                return [ExecutionError(f"Graph {self.graph.name!r} failed on this input; the server's log has the reason.")]
            middle = len(seats) // 2
            return self.compute(seats[:middle]) + self.compute(seats[middle:])
        return [self._take(seat, output) for seat, output in zip(seats, outputs, strict=True)]

    def close(self) -> None:
        """Let the graph go."""
        self._run = _closed

    def _call(self, seats: Sequence[Seat]) -> list[Arrays]:
        """Each generation's outputs of one call of the graph, in the order of `seats`."""
        states = self._carrier.bring([seat.place for seat in seats])
        ordered = sorted(seats, key=lambda seat: seat.place.row)
        parts = [seat.parts[0] for seat in ordered]
        outputs = self._run({**self._parts.join(parts), **states.arrays})
        found = self._parts.split(self._carrier.carry(outputs, [seat.place for seat in ordered]), parts)
        return [found[seat.place.row] for seat in seats]

    def _take(self, seat: Seat, outputs: Arrays) -> Result:
        """The pieces that the outputs of the seat's next part bring."""
        seat.outputs.append(outputs)
        if not seat.started:
            seat.read += seat.steps
        seat.parts.popleft()
        if seat.parts:
            return []
        try:
            pieces = seat.generation.take(self._parts.mend(seat.outputs))
            seat.outputs.clear()
            call = seat.generation.inputs()
            if call is not None:
                rest, seat.place = self._carrier.brought(call, seat.place)
                seat.parts.extend(self._parts.cut(rest))
        except Exception as error:  # a codec's own mistake, which is not the neighbours'
            return error
        return pieces


def _closed(inputs: Arrays) -> Arrays:
    raise ExecutionError("The graph is closed.")
