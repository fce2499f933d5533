"""Putting requests together along a graph's batch axis, computing them, and taking the answer apart again.

Pure functions of arrays: no queue, no clock, no event loop. A batch that fails is halved until only the guilty request
is left with its error.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from serving.errors import ExecutionError
from zoo.spec import Arrays, Graph, Port

log = logging.getLogger(__name__)

Run = Callable[[Arrays], Arrays]
Result = Arrays | ExecutionError


@dataclass(frozen=True, slots=True)
class Execution:
    """One call of the graph that gave an answer."""

    rows: int
    ns: int


class Layout:
    """Where a graph's batch axis is, in each of its ports.

    A graph is batchable when every output can be taken apart by rows: it has the batch axis, and no axis whose size
    depends on the data, which a neighbour in the batch could change.
    """

    def __init__(self, graph: Graph) -> None:
        known = set(graph.free_axes)
        self.name = graph.name
        self.batchable = graph.batch is not None and all(
            graph.batch in port.shape and known.issuperset(axis for axis in port.shape if isinstance(axis, str))
            for port in graph.outputs
        )
        self.batch = graph.batch or ""
        self.other_axes = tuple(axis for axis in graph.free_axes if axis != graph.batch)
        self.inputs = {port.name: _position(port, graph.batch) for port in graph.inputs}
        self.outputs = {port.name: _position(port, graph.batch) for port in graph.outputs}
        self._shared = tuple(name for name, axis in self.inputs.items() if axis is None)

    def key(self, inputs: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> Hashable:
        """Requests with equal keys may share a batch: same sizes of all other axes, same values of shared inputs."""
        if not self.other_axes and not self._shared:
            return ()
        shared = tuple(inputs[name].tobytes() for name in self._shared)
        return (tuple(sizes[axis] for axis in self.other_axes), shared)

    def join(self, requests: Sequence[Arrays]) -> Arrays:
        """One set of inputs out of many with equal keys."""
        if len(requests) == 1:
            return requests[0]
        return {
            name: requests[0][name] if axis is None else np.concatenate([inputs[name] for inputs in requests], axis=axis)
            for name, axis in self.inputs.items()
        }

    def split(self, outputs: Arrays, rows: Sequence[int]) -> list[Arrays]:
        """The outputs of each request. Raises ExecutionError when an output has not one row for each that went in."""
        if len(rows) == 1 and not self.batchable:
            return [outputs]
        total = sum(rows)
        parts: list[Arrays] = [{} for _ in rows]
        for name, array in outputs.items():
            axis = self.outputs[name] or 0
            if array.ndim <= axis or array.shape[axis] != total:
                raise ExecutionError(
                    f"Output {name!r} of graph {self.name!r} has shape {list(array.shape)} for {total} rows; "
                    "the model must be exported again."
                )
            start = 0
            for part, count in zip(parts, rows, strict=True):
                part[name] = array if count == total else _slice(array, axis, start, start + count)
                start += count
        return parts

    def cut(self, inputs: Arrays, rows: int, max_rows: int) -> list[tuple[Arrays, int]]:
        """An oversized request as pieces of at most `max_rows` rows, in order."""
        return [
            (
                {
                    name: array if (axis := self.inputs[name]) is None else _slice(array, axis, start, start + max_rows)
                    for name, array in inputs.items()
                },
                min(max_rows, rows - start),
            )
            for start in range(0, rows, max_rows)
        ]

    def mend(self, pieces: Sequence[Arrays]) -> Arrays:
        """The answer to an oversized request from the answers to its pieces."""
        return {name: np.concatenate([piece[name] for piece in pieces], axis=self.outputs[name] or 0) for name in pieces[0]}


def compute(layout: Layout, run: Run, requests: Sequence[tuple[Arrays, int]]) -> tuple[list[Result], list[Execution]]:
    """Each request's answer or error, in order, and the executions that it took.

    `requests` are inputs with their number of rows. Of a batch that fails, each half is tried by itself.
    """
    rows = [count for _, count in requests]
    start = time.perf_counter_ns()
    try:
        outputs = run(layout.join([inputs for inputs, _ in requests]))
        parts: list[Result] = list(layout.split(outputs, rows))
    except Exception as error:  # the runtime raises a dozen unrelated types
        if len(requests) == 1:
            return [_guilty(layout, error)], []
        middle = len(requests) // 2
        first, second = (compute(layout, run, half) for half in (requests[:middle], requests[middle:]))
        return first[0] + second[0], first[1] + second[1]
    return parts, [Execution(sum(rows), time.perf_counter_ns() - start)]


def _guilty(layout: Layout, error: Exception) -> ExecutionError:
    if isinstance(error, ExecutionError):
        return error
    log.error("Graph %r failed on an input that had passed its checks: %s", layout.name, str(error).strip()[:500])
    return ExecutionError(f"Graph {layout.name!r} failed on this input; the server's log has the reason.")


def _position(port: Port, batch: str | None) -> int | None:
    return port.shape.index(batch) if batch is not None and batch in port.shape else None


def _slice(array: np.ndarray, axis: int, start: int, stop: int) -> np.ndarray:
    return array[(slice(None),) * axis + (slice(start, stop),)]
