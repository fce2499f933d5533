"""Answers that grow call by call: a text by its tokens, a picture by the steps of its sampler.

A codec whose answers grow has `generate(raw, options)`, a plan (`zoo.calls`) whose result is a `Generation`: the plan may
run an encoder first. A generation says what its next call takes and is given that call's outputs, one row each; who drives
it puts the rows of several generations together, and carries what the graph remembers, `Graph.successors`, from one call
to the next. `run_generations` drives some of them in this process; the service batches those of many clients.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from zoo.calls import Call, Plan
from zoo.spec import Arrays, Graph, Port

Piece = dict[str, Any]


class Generation(Protocol):
    """One answer in the making, by calls of the graph of this name.

    What the graph remembers is nobody's business here, but for the states that a call brings itself: those (an encoder's,
    say) take the place of what was remembered. A piece is what can be shown since the last one, as JSON has it:
    `{"text": "…", "token": 12}` or `{"step": 3, "image": "data:…"}`. The last piece of an answer has `finish_reason`.
    """

    graph: str

    def inputs(self) -> Arrays | None:
        """The next call's inputs of one row (a batch of 1), the states left out; None when the answer is whole."""

    def take(self, outputs: Arrays) -> list[Piece]:
        """The call's outputs of that row but for the states; what can be shown since the last call comes back."""


@runtime_checkable
class GeneratingCodec(Protocol):
    """A codec whose answers grow."""

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]: ...

    def generate(self, raw: np.ndarray, options: Mapping[str, Any]) -> Plan[Generation]:
        """The answer to one raw input in the making. Raises CodecError for options that are unknown or out of range."""


@dataclass(slots=True, eq=False)
class States:
    """What the graph remembers of `rows` rows, by state input; `live` of them still belong to somebody."""

    arrays: Arrays
    rows: int
    live: int


@dataclass(slots=True, eq=False)
class Place:
    """Where what the graph remembers of one generation is: a row of `states`."""

    states: States
    row: int

    def leave(self) -> None:
        self.states.live -= 1

    def move(self, states: States, row: int) -> None:
        self.states.live -= 1
        states.live += 1
        self.states, self.row = states, row


class Carrier:
    """Carries what one graph remembers from call to call, of rows that come, go and meet."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._successors = graph.successors
        states = [port for port in graph.inputs if port.role == "state"]
        self._axes = {port.name: axis_of(port, graph) for port in states}
        self._grow = any(isinstance(size, str) and size != graph.batch for port in states for size in port.shape)

    def blank(self, call: Arrays) -> Place:
        """The place of a row before its first call. Raises PortError when that does not fit the graph."""
        whole = self.graph.complete(call)
        self.graph.check(whole)
        return Place(States({name: whole[name] for name in self._axes}, 1, 1), 0)

    def brought(self, call: Arrays, place: Place) -> tuple[Arrays, Place]:
        """A call without the states that it brings, and the row's place, a new one if it does."""
        if self._axes.keys().isdisjoint(call):
            return call, place
        held, row = place.states.arrays, slice(place.row, place.row + 1)
        states = {name: call[name] if name in call else held[name][_rows(axis, row)] for name, axis in self._axes.items()}
        place.leave()
        return {name: array for name, array in call.items() if name not in states}, Place(States(states, 1, 1), 0)

    def kin(self, place: Place) -> tuple[Any, ...]:
        """Equal for rows whose states have equal sizes, which alone may be brought together."""
        if not self._grow:
            return ()
        shapes = ((name, list(array.shape)) for name, array in place.states.arrays.items())
        return tuple((*shape[: self._axes[name]], *shape[self._axes[name] + 1 :]) for name, shape in shapes)

    def bring(self, places: Sequence[Place]) -> States:
        """Move the rows together, as many as there are, so that one call may take them; `place.row` says where each is.

        Most rows usually come from one call and stay where they are: rows that left are overwritten by those behind them
        or by newcomers, without a copy of the rest. All rows are copied only where there are more than before.
        """
        base = Counter(id(place.states) for place in places).most_common(1)[0][0]
        old = next(place.states for place in places if id(place.states) == base)
        count = len(places)
        staying = [place for place in places if place.states is old and place.row < count]
        if len(staying) == count == old.rows:
            return old
        new = States(self._room(old, count, in_place=old.live == sum(place.states is old for place in places)), count, 0)
        taken = {place.row for place in staying}
        free = iter(row for row in range(count) if row not in taken)
        for place in places:
            target = place.row if place.states is old and place.row in taken else next(free)
            if place.states is not old or place.row != target:
                self._copy(place.states.arrays, place.row, new.arrays, target)
            place.move(new, target)
        return new

    def _room(self, old: States, count: int, *, in_place: bool) -> Arrays:
        """Arrays of `count` rows that begin with the old ones; the old ones themselves where nobody else needs them."""
        arrays: Arrays = {}
        for name, axis in self._axes.items():
            array = old.arrays[name]
            if in_place and count <= old.rows:
                arrays[name] = array[_rows(axis, slice(count))]
                continue
            shape = list(array.shape)
            shape[axis] = count
            kept = _rows(axis, slice(min(count, old.rows)))
            arrays[name] = np.empty(shape, array.dtype)
            arrays[name][kept] = array[kept]
        return arrays

    def _copy(self, source: Arrays, row: int, target: Arrays, to: int) -> None:
        for name, axis in self._axes.items():
            target[name][_rows(axis, slice(to, to + 1))] = source[name][_rows(axis, slice(row, row + 1))]

    def carry(self, outputs: Arrays, places: Sequence[Place]) -> Arrays:
        """The outputs that are no states, after the places were moved to the states among them."""
        states = {name: outputs[successor] for name, successor in self._successors.items()}
        kept = {name: places[0].states.arrays[name] for name in self._axes if name not in states}
        new = States({**kept, **states}, len(places), 0)
        for place in places:
            place.move(new, place.row)
        followed = set(self._successors.values())
        return {name: array for name, array in outputs.items() if name not in followed}


def axis_of(port: Port, graph: Graph) -> int:
    """Which axis of the port's arrays the rows are along; 0 where it has none."""
    return port.shape.index(graph.batch) if graph.batch is not None and graph.batch in port.shape else 0


def run_generations(generations: Sequence[Generation], graph: Graph) -> Plan[list[list[Piece]]]:
    """The pieces of each answer. Rows whose calls have the same sizes are computed together."""
    carrier = Carrier(graph)
    pieces: list[list[Piece]] = [[] for _ in generations]
    rows = [
        _Row(generation, *carrier.brought(call, carrier.blank(call)), found)
        for generation, found in zip(generations, pieces, strict=True)
        if (call := generation.inputs()) is not None
    ]
    while rows:
        kin = [(_kin(row.call, graph), carrier.kin(row.place)) for row in rows]
        together = [row for row, one in zip(rows, kin, strict=True) if one == kin[0]][: None if graph.batch else 1]
        states = carrier.bring([row.place for row in together])
        together.sort(key=lambda row: row.place.row)
        outputs = yield Call(graph.name, {**_join([row.call for row in together], graph), **states.arrays})
        rest = carrier.carry(outputs, [row.place for row in together])
        for number, row in enumerate(together):
            row.pieces += row.generation.take(_part(rest, number, graph) if graph.batch is not None else rest)
            call = row.generation.inputs()
            if call is None:
                row.place.leave()
                rows.remove(row)
            else:
                row.call, row.place = carrier.brought(call, row.place)
    return pieces


@dataclass(slots=True, eq=False)
class _Row:
    generation: Generation
    call: Arrays
    place: Place
    pieces: list[Piece]


def _kin(call: Arrays, graph: Graph) -> list[Any]:
    """Equal for calls that may be put together: of the same sizes, and of the same values where a port has no rows."""
    shared = {port.name for port in graph.inputs if graph.batch not in port.shape}
    return [(name, array.tobytes() if name in shared else array.shape) for name, array in sorted(call.items())]


def _join(calls: Sequence[Arrays], graph: Graph) -> Arrays:
    joined = {}
    for port in graph.inputs:
        if port.name in calls[0]:
            arrays = [call[port.name] for call in calls]
            joined[port.name] = np.concatenate(arrays, axis_of(port, graph)) if graph.batch in port.shape else arrays[0]
    return joined


def _part(outputs: Arrays, row: int, graph: Graph) -> Arrays:
    axes = {port.name: axis_of(port, graph) for port in graph.outputs}
    return {name: array[_rows(axes[name], slice(row, row + 1))] for name, array in outputs.items()}


def _rows(axis: int, rows: slice) -> tuple[slice, ...]:
    return (slice(None),) * axis + (rows,)
