"""Putting requests together along a graph's batch axis, computing them, and taking the answer apart again.

Pure functions of arrays: no queue, no clock, no event loop. A batch that fails is halved until only the guilty request
is left with its error.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from serving.batching.padding import Padding, Sizes, widest
from serving.errors import ExecutionError
from zoo.entries import entry_outputs, join_rows, split_rows
from zoo.spec import Arrays, Graph, Port

log = logging.getLogger(__name__)

Run = Callable[[Arrays], Arrays]
Result = Arrays | ExecutionError
Key = tuple[Hashable, Sizes]
_ONE_KEY: Key = ((), ())


@dataclass(slots=True)
class Request:
    """What a client sent: `rows` of `cells` elements each along the free axes, `padded` of them the sizes that may grow."""

    inputs: Arrays
    rows: int
    cells: int
    padded: Sizes


class Execution(NamedTuple):
    """One call of the graph that gave an answer. `cells` went in, `padded_cells` of them only to fill it up."""

    rows: int
    cells: int
    padded_cells: int
    ns: int


class Layout:
    """Where a graph's batch axis is, in each of its ports.

    A graph is batchable when every output can be taken apart by rows: it has the batch axis, and no axis whose size
    depends on the data, which a neighbour in the batch could change; or it is made of entries that say which row they
    belong to (`zoo.entries`).
    """

    def __init__(self, graph: Graph) -> None:
        known = set(graph.free_axes)
        self.name = graph.name
        self.entries = entry_outputs(graph)
        self.batchable = graph.batch is not None and all(
            known.issuperset(axis for axis in port.shape[port.name in self.entries :] if isinstance(axis, str))
            and (graph.batch in port.shape or port.name in self.entries)
            for port in graph.outputs
        )
        self._graph = graph
        self.batch = graph.batch or ""
        self.other_axes = tuple(axis for axis in graph.free_axes if axis != graph.batch)
        self.padding = Padding(graph)
        self.inputs = {port.name: _position(port, graph.batch) for port in graph.inputs}
        self.outputs = {port.name: _position(port, graph.batch) for port in graph.outputs}
        self._fixed_axes = tuple(axis for axis in self.other_axes if axis not in self.padding.axes)
        self._shared = tuple(name for name, axis in self.inputs.items() if axis is None)

    def key(self, inputs: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> Key:
        """Requests with equal keys may share a batch, those with equal first halves when padded to equal sizes.

        The first half has the sizes of the axes that must be equal, and the values of inputs without a batch axis.
        """
        if not self.batchable or not (self.other_axes or self._shared):
            return _ONE_KEY
        fixed = tuple(sizes[axis] for axis in self._fixed_axes)
        shared = tuple(blake2b(inputs[name].tobytes(), digest_size=16).digest() for name in self._shared)
        return (fixed, shared), self.padding.sizes(sizes)

    def cells(self, sizes: Mapping[str, int]) -> int:
        """Elements of one row along the free axes."""
        return math.prod([sizes[axis] for axis in self.other_axes])

    def cells_of(self, requests: Sequence[Request]) -> int:
        """Elements that an execution of these requests computes, padding included."""
        first = requests[0]
        rows = first.rows if len(requests) == 1 else sum([request.rows for request in requests])
        if not self.padding.axes:
            return rows * first.cells
        return rows * cells_at(first.cells, first.padded, widest([request.padded for request in requests]))

    def join(self, requests: Sequence[Request], sizes: Sizes) -> Arrays:
        """One set of inputs out of many whose keys allow it, padded to `sizes`."""
        if len(requests) == 1:
            return requests[0].inputs
        joined = {}
        for name, axis in self.inputs.items():
            arrays = [request.inputs[name] for request in requests]
            joined[name] = arrays[0] if axis is None else self.padding.concatenate(name, arrays, axis, sizes)
        return joined

    def split(self, outputs: Arrays, requests: Sequence[Request], sizes: Sizes) -> list[Arrays]:
        """The outputs of each request. Raises ExecutionError when an output has not one row for each that went in."""
        if len(requests) == 1 and not self.batchable:
            return [outputs]
        total = sum([request.rows for request in requests])
        parts: list[Arrays] = [{} for _ in requests]
        if self.entries:
            parts = self._split_entries(outputs, requests, total)
        for name, array in outputs.items():
            if name in self.entries:
                continue
            axis = self.outputs[name] or 0
            if array.ndim <= axis or array.shape[axis] != total or (sizes and not self.padding.fits(name, array, sizes)):
                raise ExecutionError(
                    f"Output {name!r} of graph {self.name!r} has shape {list(array.shape)} for {total} rows; "
                    "the model must be exported again."
                )
            start = 0
            for part, request in zip(parts, requests, strict=True):
                end = start + request.rows
                own = array if request.rows == total else _slice(array, axis, start, end)
                part[name] = own if request.padded == sizes else self.padding.trim(name, own, request.padded)
                start = end
        return parts

    def cut(self, inputs: Arrays, rows: int, max_rows: int) -> list[Arrays]:
        """An oversized request as pieces of at most `max_rows` rows, in order."""
        return [
            {
                name: array if (axis := self.inputs[name]) is None else _slice(array, axis, start, start + max_rows)
                for name, array in inputs.items()
            }
            for start in range(0, rows, max_rows)
        ]

    def mend(self, pieces: Sequence[Arrays], rows: Sequence[int]) -> Arrays:
        """The answer to an oversized request from the answers to its pieces of so many rows."""
        return join_rows(self._graph, pieces, rows)

    def _split_entries(self, outputs: Arrays, requests: Sequence[Request], total: int) -> list[Arrays]:
        """Of each request the outputs that are made of entries."""
        for name, index in self.entries.items():
            owners = outputs[index]
            if len(outputs[name]) != len(owners) or (len(owners) and not 0 <= owners.min() <= owners.max() < total):
                raise ExecutionError(
                    f"Output {name!r} of graph {self.name!r} has entries that belong to none of {total} rows; "
                    "the model must be exported again."
                )
        parts = split_rows(self._graph, outputs, [request.rows for request in requests])
        return [
            {name: self.padding.trim(name, part[name], request.padded) for name in self.entries}
            for part, request in zip(parts, requests, strict=True)
        ]


def compute(layout: Layout, run: Run, requests: Sequence[Request]) -> tuple[list[Result], list[Execution]]:
    """Each request's answer or error, in order, and the executions that it took. Of a batch that fails, each half is tried
    by itself."""
    start = time.perf_counter_ns()
    sizes = widest([request.padded for request in requests]) if layout.padding.axes else ()
    try:
        outputs = run(layout.join(requests, sizes))
        parts: list[Result] = list(layout.split(outputs, requests, sizes))
    except Exception as error:  # the runtime raises a dozen unrelated types
        if len(requests) == 1:
            return [guilty(layout, error)], []
        middle = len(requests) // 2
        first, second = (compute(layout, run, half) for half in (requests[:middle], requests[middle:]))
        return first[0] + second[0], first[1] + second[1]
    return parts, [_execution(layout, requests, time.perf_counter_ns() - start)]


def _execution(layout: Layout, requests: Sequence[Request], ns: int) -> Execution:
    rows = sum([request.rows for request in requests])
    if not layout.padding.axes:
        return Execution(rows, rows * requests[0].cells, 0, ns)
    cells = layout.cells_of(requests)
    return Execution(rows, cells, cells - sum([request.rows * request.cells for request in requests]), ns)


def cells_at(cells: int, padded: Sizes, sizes: Sizes) -> int:
    """Elements of a row that has `cells` at sizes `padded`, once it is filled up to `sizes`."""
    return cells if padded == sizes else cells // max(1, math.prod(padded)) * math.prod(sizes)


def guilty(layout: Layout, error: BaseException) -> ExecutionError:
    if isinstance(error, ExecutionError):
        return error
    log.error("Graph %r failed on an input that had passed its checks: %s", layout.name, str(error).strip()[:500])
    return ExecutionError(f"Graph {layout.name!r} failed on this input; the server's log has the reason.")


def _position(port: Port, batch: str | None) -> int | None:
    return port.shape.index(batch) if batch is not None and batch in port.shape else None


def _slice(array: np.ndarray, axis: int, start: int, stop: int) -> np.ndarray:
    return array[(slice(None),) * axis + (slice(start, stop),)]
