"""What every value of a graph should be: references for the inside of a graph, not for its outputs alone.

A module is traced once, in float32, the way the exporter traces it; the exporter names an ONNX value after the step of the
trace that computes it. The trace is run by PyTorch in float32 and, its weights and constants widened, in float64. What
lies between two steps (an operator that became several nodes) is computed from the steps around it by onnx's reference
evaluator on a fresh conversion, one node at a time, in both precisions. The outputs are those of the untouched original,
and the trace must give the same. So a fault that the tracer or the converter makes every time is found too, which a second
conversion would repeat.

An estimator has no steps: its inner values are those of a fresh conversion, run on the inputs and on their neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from export.compare import FACTOR, MAX_RELATIVE_FLOOR, OutputRecord, distance, margins
from export.cuts import reads
from export.inputs import MIN_ROWS, Case, make_cases
from zoo.errors import ParityError
from zoo.spec import Arrays, Graph

KEPT_BYTES = 2**30  # of float64 values that are kept; the rest are computed again when they are asked for
_STEADY = np.zeros(1, dtype=bool)


@dataclass(frozen=True)
class Untraced:
    """The first module whose output the trace does not have; `error` against the nearest value of the trace."""

    module: str
    error: float
    bound: float


class Source(Protocol):
    """Where reference values come from; `model` is a fresh conversion of the original."""

    model: onnx.ModelProto

    def expected(self, inputs: Arrays) -> Arrays:
        """Every value that can be had, by its name in `model`, in float64 where it is computed in floats."""
        ...

    def pairs(self, inputs: Arrays) -> list[tuple[Arrays, Arrays]]:
        """Values in float32 and in float64, of which the largest difference is the floor."""
        ...

    def steady(self, inputs: Arrays) -> np.ndarray:
        """Rows on which a difference of an ulp decides nothing."""
        ...

    def untraced(self, inputs: Arrays, bounds: dict[str, float]) -> Untraced | None:
        """Where the values themselves are not the original's; `bounds` are those of the outputs."""
        ...


class ValueReference:
    """Expected values and bounds of the values of a fresh conversion, on the cases that the graph is proven on.

    Raises ParityError where there is nothing to compare on.
    """

    def __init__(self, source: Source, graph: Graph, samples: Arrays, rng: np.random.Generator) -> None:
        self.source, self.model, self.graph = source, source.model, graph
        self.cases = _cases(source, graph, samples, rng)
        if not self.cases:
            raise ParityError(f"Graph {graph.name!r}: no inputs could be made; declare ranges for its ports.")
        self._records: dict[tuple[str, str], OutputRecord] = {}
        self._kept: dict[int, Arrays] = {}
        self.known: set[str] = set()
        for number, case in enumerate(self.cases):
            self._add(case, number == 0)

    def bound(self, kind: str, name: str) -> float:
        """FACTOR times the floor, in the value's unit; of integers and booleans, a share of the entries."""
        return FACTOR * self._records[kind, name].floor

    @cached_property
    def untraced(self) -> Untraced | None:
        """Where the values themselves are not the original's, on the first case that shows it."""
        for case in self.cases:
            bounds = {port.name: self.bound(case.kind, port.name) for port in self.graph.outputs}
            found = self.source.untraced(case.inputs, bounds)
            if found is not None:
                return found
        return None

    def expected(self, number: int) -> Arrays:
        """Reference values on the case with this number."""
        if number in self._kept:
            return self._kept[number]
        values = self.source.expected(self.cases[number].inputs)
        kept = sum(array.nbytes for each in (*self._kept.values(), values) for array in each.values())
        if kept <= KEPT_BYTES:
            self._kept[number] = values
        return values

    def _add(self, case: Case, first: bool) -> None:
        with np.errstate(all="ignore"):
            for ref32, ref64 in self.source.pairs(case.inputs):
                names = {name for name in ref64 if name in ref32 and ref32[name].shape == ref64[name].shape}
                self.known = names if first and not self.known else self.known & names
                for name in self.known:
                    record = self._records.setdefault((case.kind, name), OutputRecord(name, case.kind))
                    widen(record, ref32[name], ref64[name])


def widen(record: OutputRecord, ref32: np.ndarray, ref64: np.ndarray) -> None:
    """Let the floor hold one more case: the rule of `compare` for floats, the share of other entries for the rest."""
    if ref64.dtype.kind == "f":
        record.add_floor(ref32, ref64, _STEADY)
    else:
        record.floor = max(record.floor, deviation(ref32, ref64))


def deviation(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest absolute difference of floats, share of different entries of the rest, infinite where shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    if expected.dtype.kind == "f" and found.dtype.kind == "f":
        return distance(found, expected)
    return float(np.mean(found != expected)) if expected.size else 0.0


class Evaluator:
    """Runs a model node by node on onnx's reference kernels, where a value is not given already.

    A node that the kernels cannot run leaves its values out, and what depends on them unless that is given.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self._weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._kernels: dict[int, ReferenceEvaluator] = {}

    def complete(self, given: Arrays) -> Arrays:
        """`given` (inputs and known values) and every further value that can be computed from it."""
        values = {**self._weights, **given}
        for number, node in enumerate(self._model.graph.node):
            needed, names = reads(node), [name for name in node.output if name]
            if all(name in values for name in needed) and not all(name in values for name in names):
                values.update(self._compute(number, names, {name: values[name] for name in needed}))
        return {name: array for name, array in values.items() if name not in self._weights}

    def _compute(self, number: int, names: list[str], inputs: Arrays) -> Arrays:
        try:
            if number not in self._kernels:
                self._kernels[number] = ReferenceEvaluator(self._alone(number, list(inputs), names))
            found = self._kernels[number].run(names, inputs)
        except Exception:  # a kernel that is missing or limited: the value stays unknown
            return {}
        return {
            name: np.asarray(value)
            for name, value in zip(names, found, strict=True)
            if isinstance(value, np.ndarray | np.generic)
        }

    def _alone(self, number: int, inputs: list[str], outputs: list[str]) -> onnx.ModelProto:
        sides = [
            [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in names]
            for names in (inputs, outputs)
        ]
        graph = onnx.helper.make_graph([self._model.graph.node[number]], "node", *sides)
        return onnx.helper.make_model(graph, opset_imports=self._model.opset_import, functions=self._model.functions)


def decided(graph: Graph, outputs: Arrays) -> np.ndarray:
    """Rows whose labels are no ties: the scores' margin is wide against what float32 moves."""
    rows = np.ones(len(next(iter(outputs.values()))), dtype=bool)
    for port in graph.outputs:
        if port.argmax_of is not None:
            scores = outputs[port.argmax_of]
            ahead = margins(scores) > MAX_RELATIVE_FLOOR * float(np.ptp(scores))
            rows &= ahead.reshape(len(rows), -1).all(axis=1)
    return rows


def _cases(source: Source, graph: Graph, samples: Arrays, rng: np.random.Generator) -> list[Case]:
    """Of each kind the longest cases until there are 64 rows, and the shortest; rows that a hair decides are left out."""
    count = min((len(array) for array in samples.values()), default=0)
    if graph.batch is not None and count > MIN_ROWS:
        chosen = np.linspace(0, count - 1, MIN_ROWS).astype(int)
        samples = {name: array[chosen] for name, array in samples.items()}
    cases = sorted(make_cases(graph, samples, rng), key=lambda case: -case.rows)
    return [
        kept
        for kind in dict.fromkeys(case.kind for case in cases)
        for case in _enough([case for case in cases if case.kind == kind])
        for kept in _steady_rows(source, graph, case)
    ]


def _enough(cases: list[Case]) -> Iterable[Case]:
    rows = 0
    for number, case in enumerate(cases):
        if rows < MIN_ROWS or number == len(cases) - 1:
            rows += case.rows
            yield case


def _steady_rows(source: Source, graph: Graph, case: Case) -> Iterable[Case]:
    if graph.batch is None:
        return [case]
    rows = source.steady(case.inputs)
    batched = {port.name for port in graph.inputs if port.shape[:1] == (graph.batch,)}
    if rows.all() or len(rows) != case.sizes[graph.batch]:
        return [case]
    inputs = {name: array[rows] if name in batched else array for name, array in case.inputs.items()}
    return [Case(case.kind, inputs, {**case.sizes, graph.batch: int(rows.sum())})] if rows.any() else []
