"""References: what the original itself computes, in float64 and in float32.

A module is rebuilt twice from its checkpoint and cast. An estimator computes in float64 whatever it is given, so its
float32 reference is a fresh conversion of it, run by onnx's reference evaluator on the inputs and on those moved by one
ulp each way. Where such a move alone makes the original jump, a difference is a tie: it is admitted, and counted.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import nn

from export.compare import MAX_RELATIVE_FLOOR, row_errors
from export.exporter import convert
from export.inputs import MIN_ROWS, Case, few_cases, num_rows
from export.memo import Memo
from zoo.entries import entry_outputs
from zoo.original import Original, call_module
from zoo.spec import Arrays, Graph

NEIGHBOURS = (0, 1, -1)
DRAWS = 4
Pairs = list[tuple[Arrays, Arrays]]  # outputs in float32 and in float64
MAX_MOVE = 1e-3  # of an output's spread: what an ulp of the inputs moves further, jumped


class TorchReference:
    """float64 and float32 outputs of a module, which `build` makes anew at every call."""

    def __init__(self, build: Callable[[], nn.Module]) -> None:
        self.double = copy.deepcopy(build()).to(torch.float64).eval()
        self.single = copy.deepcopy(build()).to(torch.float32).eval()
        self.memo = Memo()

    @classmethod
    def of(cls, double: nn.Module, single: nn.Module) -> Self:
        """Of two modules that are one in float64 and in float32."""
        reference = cls.__new__(cls)
        reference.double, reference.single = double.eval(), single.eval()
        reference.memo = Memo()
        return reference

    def ref64(self, graph: Graph, inputs: Arrays) -> Arrays:
        """Outputs in float64; the same arrays when asked again."""
        found: Arrays = self.memo.get("ref64", graph, inputs, lambda: call_module(self.double, graph, inputs, "float64"))
        return found

    def floor_cases(self, cases: list[Case]) -> list[Case]:
        """Cases that the floor is taken over: all of them."""
        return cases

    def pairs(self, graph: Graph, inputs: Arrays) -> Pairs:
        """Outputs in float32, of the inputs as they are and moved by one ulp at random, each with those in float64.

        One run may happen to round luckily in the one row that carries the floor: `DRAWS` moves show how far float32 can
        be off there. Where a move makes the original itself jump (over a threshold, say), it is the float64 output of the
        moved inputs that counts: a jump is no rounding. Rows whose entries change are left to the comparison.
        """
        found: Pairs = self.memo.get("pairs", graph, inputs, lambda: self._pairs(graph, inputs))
        return found

    def _pairs(self, graph: Graph, inputs: Arrays) -> Pairs:
        ref64, entries = self.ref64(graph, inputs), entry_outputs(graph)
        pairs = [(call_module(self.single, graph, inputs, "float32"), ref64)]
        for moved in _moves(graph, inputs):
            ref32 = call_module(self.single, graph, moved, "float32")
            steady = (port for port in graph.outputs if port.is_float and port.name not in entries)
            jumps = {port.name: _jumps(ref32[port.name], ref64[port.name]) for port in steady}
            if any(jumped.any() for jumped in jumps.values()):
                there = self.ref64(graph, moved)
                at_jumps = {name: np.where(jumped, there[name], ref64[name]) for name, jumped in jumps.items()}
                pairs.append((ref32, {**ref64, **at_jumps}))
            else:
                pairs.append((ref32, ref64))
        return pairs

    def unsteady_rows(self, graph: Graph, inputs: Arrays) -> np.ndarray:
        """Rows whose outputs jump when the inputs move by one ulp: a module has none that its floor does not hold."""
        return np.zeros(num_rows(next(iter(inputs.values()))), dtype=bool)


class EstimatorReference:
    """float64 outputs of an estimator, and in float32 those of a fresh conversion of it."""

    def __init__(self, original: Original) -> None:
        from onnx.reference import ReferenceEvaluator

        self.original = original
        self.memo = Memo()
        self._evaluators = {graph.name: ReferenceEvaluator(convert(self.original, graph)) for graph in self.original.graphs}

    def ref64(self, graph: Graph, inputs: Arrays) -> Arrays:
        return self.original.call(graph, inputs, "float64")

    def floor_cases(self, cases: list[Case]) -> list[Case]:
        """Cases with 64 rows of each kind or a few more: the evaluator is slow."""
        return few_cases(cases)

    def pairs(self, graph: Graph, inputs: Arrays) -> Pairs:
        """Outputs in float32 and in float64 at the inputs and at their neighbours; equal inputs are computed once."""
        found: Pairs = self.memo.get("pairs", graph, inputs, lambda: self._pairs(graph, inputs))
        return found

    def _pairs(self, graph: Graph, inputs: Arrays) -> Pairs:
        names, run = [port.name for port in graph.outputs], self._evaluators[graph.name].run
        return [
            (dict(zip(names, run(names, moved), strict=True)), self.ref64(graph, moved))
            for moved in neighbours(graph, {name: array[:MIN_ROWS] for name, array in inputs.items()})
        ]

    def unsteady_rows(self, graph: Graph, inputs: Arrays) -> np.ndarray:
        """Rows whose outputs jump when the inputs move by one ulp, because that sends them to another leaf, say."""
        middle, *others = (self.ref64(graph, moved) for moved in neighbours(graph, inputs))
        unsteady = np.zeros(num_rows(next(iter(inputs.values()))), dtype=bool)
        for port in graph.outputs:
            if port.is_float:
                spread = float(np.ptp(middle[port.name])) or 1.0
                for other in others:
                    unsteady |= row_errors(other[port.name], middle[port.name]) > MAX_RELATIVE_FLOOR * spread
        return unsteady


Reference = TorchReference | EstimatorReference


def load_reference(checkpoint: Path) -> Reference:
    """The reference of a checkpoint's original. Raises CheckpointError when the checkpoint is damaged."""
    original = Original.load(checkpoint)
    if original.family.kind == "estimator":
        return EstimatorReference(original)
    return TorchReference(lambda: Original.load(checkpoint).model)


def _jumps(ref32: np.ndarray, ref64: np.ndarray) -> np.ndarray:
    finite = ref64[np.isfinite(ref64)]
    with np.errstate(invalid="ignore"):
        return ~(np.abs(ref32.astype(np.float64) - ref64) <= MAX_MOVE * (np.ptp(finite) if finite.size else 0.0))


def _moves(graph: Graph, inputs: Arrays) -> Iterator[Arrays]:
    """The inputs with every float moved by one ulp up or down, or left, at random; the same moves in every call.

    None where no input is a float: the same call again would tell nothing.
    """
    rng = np.random.default_rng(0)
    if not any(port.is_float for port in graph.inputs):
        return
    for _ in range(DRAWS):
        moved = dict(inputs)
        for port in graph.inputs:
            if port.is_float:
                array = inputs[port.name]
                toward = rng.choice(np.array([-np.inf, np.inf], dtype=array.dtype), size=array.shape)
                moved[port.name] = np.nextafter(array, np.where(array == 0, array, toward)).astype(array.dtype)
        yield moved


def neighbours(graph: Graph, inputs: Arrays) -> list[Arrays]:
    moved = []
    for direction in NEIGHBOURS:
        target = np.float32(np.inf * direction) if direction else None
        moved.append(
            {
                port.name: np.nextafter(inputs[port.name], target)
                if target is not None and port.is_float
                else inputs[port.name]
                for port in graph.inputs
            }
        )
    return moved
