"""A generation's calls as calls of the graph: long ones cut into parts, sizes rounded up, equal ones put together.

What a generation gets must not depend on what is computed beside it, to the last bit: a seed makes an answer repeatable.
The graph's rows are independent, but the order in which a runtime adds numbers may change with the sizes of a call. So
each row has sizes of its own, a function of its call alone, and only rows of equal sizes share a call of the graph.
(ONNX Runtime 1.31 on x86-64: MatMul, Gemm, Softmax, LayerNormalization, Gelu, Erf, Tanh gave rows the same bits in
batches of every size from 1 to 33, on one thread and on two.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from serving.batching.padding import Padding, Sizes
from serving.errors import ExecutionError
from zoo.generation import axis_of
from zoo.spec import Arrays, Graph

PART_STEPS = 64  # a prompt is read in parts of so many steps, so that the others need not wait for all of it
_MAX_FORMS = 1024  # that are remembered
_ROUND_TO = 16  # sizes of axes that may be filled up are rounded up to multiples of this


class Form(NamedTuple):
    """Sizes of one row's call: of the axes that may be filled up its own and what they are filled up to, and of all axes.

    `steps` is the size along the incremental axis, 1 without one.
    """

    own: Sizes
    filled: Sizes
    all: Sizes
    steps: int


class Part(NamedTuple):
    """A call of the graph for one row, or the part of it that is computed at once. Those of equal `kin` may share a call."""

    inputs: Arrays
    form: Form
    kin: tuple[Any, ...]


class Parts:
    """Makes parts of one graph's calls, its states left out, and puts them together."""

    def __init__(self, graph: Graph) -> None:
        self.graph = without_states(graph)
        self._padding = Padding(self.graph)
        self._rows = {port.name: axis_of(port, self.graph) for port in (*self.graph.inputs, *self.graph.outputs)}
        self._shared = [port.name for port in self.graph.inputs if self.graph.batch not in port.shape]
        self._steps = next((axis.name for axis in graph.axes if axis.incremental), "")
        self._longest = min(PART_STEPS, graph.axis(self._steps).high or PART_STEPS) if self._steps else 0
        timed = [port for port in (*self.graph.inputs, *self.graph.outputs) if self._steps in port.shape]
        self._along = {port.name: port.shape.index(self._steps) for port in timed}
        self._timed = next((port.name for port in self.graph.inputs if port.name in self._along), "")
        self._forms: dict[tuple[Any, ...], Form] = {}

    def cut(self, call: Arrays) -> list[Part]:
        """The parts of one call, in their order."""
        return [self._part(inputs) for inputs in self._pieces(call)]

    def first(self, call: Arrays) -> Arrays:
        """The beginning of a call that is computed first, with the states that the call brings."""
        return {**call, **self._pieces(call)[0]}

    def join(self, parts: Sequence[Part]) -> Arrays:
        """The inputs of parts of equal kin as one call's."""
        if len(parts) == 1:
            return parts[0].inputs
        return {
            name: array if name in self._shared else np.concatenate([part.inputs[name] for part in parts], self._rows[name])
            for name, array in parts[0].inputs.items()
        }

    def split(self, outputs: Arrays, parts: Sequence[Part]) -> list[Arrays]:
        """Each part's outputs. Raises ExecutionError when there is not one row for each part."""
        if self.graph.batch is None:
            return [outputs]
        for name, array in outputs.items():
            if array.shape[self._rows[name]] != len(parts):
                raise ExecutionError(
                    f"Output {name!r} of graph {self.graph.name!r} has shape {list(array.shape)} for {len(parts)} rows; "
                    "the model must be exported again."
                )
        rows: list[Arrays] = [
            {name: self._row(name, array, row) for name, array in outputs.items()} for row in range(len(parts))
        ]
        for number, part in enumerate(parts):
            if part.form.filled != part.form.own:
                rows[number] = {name: self._padding.trim(name, array, part.form.own) for name, array in rows[number].items()}
        return rows

    def mend(self, outputs: Sequence[Arrays]) -> Arrays:
        """The outputs of a call from those of its parts: of what has no steps, the last part's."""
        if len(outputs) == 1:
            return outputs[0]
        return {
            name: np.concatenate([part[name] for part in outputs], self._along[name]) if name in self._along else array
            for name, array in outputs[-1].items()
        }

    def _pieces(self, call: Arrays) -> list[Arrays]:
        total = call[self._timed].shape[self._along[self._timed]] if self._timed else 0
        if total <= self._longest:
            return [call]
        return [self._piece(call, start, min(start + self._longest, total)) for start in range(0, total, self._longest)]

    def _piece(self, call: Arrays, start: int, end: int) -> Arrays:
        piece = dict(call)
        for port in self.graph.inputs:
            if port.name in self._along:
                piece[port.name] = call[port.name][(slice(None),) * self._along[port.name] + (slice(start, end),)]
            elif port.role == "length" and port.axis == self._steps:
                piece[port.name] = np.full_like(call[port.name], end - start)
        return piece

    def _part(self, inputs: Arrays) -> Part:
        shapes = tuple([inputs[port.name].shape for port in self.graph.inputs])
        form = self._forms.get(shapes)
        if form is None:
            if len(self._forms) >= _MAX_FORMS:
                self._forms.clear()
            form = self._forms[shapes] = self._form(shapes)
        if form.filled != form.own:
            inputs = {
                name: array
                if name in self._shared
                else self._padding.concatenate(name, [array], self._rows[name], form.filled)
                for name, array in inputs.items()
            }
        return Part(inputs, form, (form.all, *[inputs[name].tobytes() for name in self._shared]))

    def _form(self, shapes: tuple[tuple[int, ...], ...]) -> Form:
        sizes = {
            axis: size
            for port, shape in zip(self.graph.inputs, shapes, strict=True)
            for axis, size in zip(port.shape, shape, strict=True)
            if isinstance(axis, str)
        }
        own = self._padding.sizes(sizes)
        filled = tuple(self._rounded(axis, size) for axis, size in zip(self._padding.axes, own, strict=True))
        whole = sizes | dict(zip(self._padding.axes, filled, strict=True))
        return Form(own, filled, tuple(whole.values()), sizes.get(self._steps, 1))

    def _rounded(self, axis: str, size: int) -> int:
        """The size that a row is filled up to: steps are as many as they are, since most are one."""
        if axis == self._steps:
            return size
        return min(-(-size // _ROUND_TO) * _ROUND_TO, self.graph.axis(axis).high or size + _ROUND_TO)

    def _row(self, name: str, array: np.ndarray, row: int) -> np.ndarray:
        return array[(slice(None),) * self._rows[name] + (slice(row, row + 1),)]


def without_states(graph: Graph) -> Graph:
    """The graph as a generation sees it."""
    inputs = tuple(port for port in graph.inputs if port.role != "state")
    outputs = tuple(replace(port, argmax_of=None) for port in graph.outputs if port.feeds is None)
    free = {size for port in inputs for size in port.shape}
    axes = tuple(axis for axis in graph.axes if axis.name in free)
    return replace(graph, inputs=inputs, outputs=outputs, axes=axes, methods=("step",))
