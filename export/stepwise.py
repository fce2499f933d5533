"""A graph's loops, proven one step at a time from the states that the original itself goes through.

In a free run a small fault and honest rounding both grow, and soon cannot be told apart. So the graph is taken to pieces
(`export.loops`), and each piece is compared like a graph of its own with the same piece of the original, which
`zoo.layers.loops` lets us watch: what is around the loops, their results given, and every step, its state given. Given are
the values of the original in float64, rounded once to what a graph's tensors hold. Right pieces make a right whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto
from torch import Tensor, nn

from export.inputs import MIN_ROWS, NATURAL_KINDS, Case, few_cases
from export.loops import FileLoop, Part, around, entering, file_loops, names_loops, step, step_inputs
from export.reference import TorchReference
from zoo.layers.loops import Loop, Tensors, watching
from zoo.session import Session
from zoo.spec import Arrays, Graph, Port

KINDS = (*NATURAL_KINDS, "limits", "tiny")
MAX_STEPS = 32  # of one run, evenly spread; the first and the last are among them
_NOT_PLAIN = ("scan_input_directions", "scan_output_directions", "scan_input_axes", "scan_output_axes")


@dataclass(frozen=True)
class Stage:
    """A piece of a graph on some cases: its ports, the piece of the file, and that of the original."""

    graph: Graph
    reference: TorchReference
    cases: list[Case]
    file: Part
    names: tuple[tuple[str, str], ...]  # an input's name in the file, by port
    loop: FileLoop | None = None
    captured: Arrays | None = None
    skipped: tuple[int, ...] = ()  # places of the file's outputs that the original has no counterpart of

    def run(self, case: Case) -> Arrays:
        """Outputs by port."""
        if self.loop is not None:
            inputs = step_inputs(self.loop, case.sizes["step"] - 1, list(case.inputs.values()), self.captured or {})
        else:
            inputs = {name: case.inputs[port] for port, name in self.names}
        values = [value for place, value in enumerate(self.file.run(inputs)) if place not in self.skipped]
        return dict(zip((port.name for port in self.graph.outputs), values, strict=True))


class Stepwise:
    """The pieces of one graph's file. `problems` says where its loops are not those of the original."""

    def __init__(self, graph: Graph, session: Session, reference: Any) -> None:
        self.graph, self.provider = graph, session.provider
        self.problems: list[str] = []
        self.loops: list[FileLoop] = []
        self.reference = reference if isinstance(reference, TorchReference) else None
        if names_loops(session.path):
            self.model: ModelProto = onnx.load(session.path)
            self.loops = file_loops(self.model)
        if self.loops:
            self._around = around(self.model, self.provider)
            self._steps = [step(self.model, loop, self.provider) for loop in self.loops]

    def stages(self, cases: list[Case]) -> Iterator[Stage]:
        """The pieces on a few cases of each kind; none where the file or the original has no loop.

        Inputs far beyond their range are left to the whole run: there a runtime's sigmoid may end at 1e-8 where float32 goes
        on, which shows in a state and not in what becomes of it.
        """
        if not self.loops or self.reference is None:
            return
        for case in few_cases([case for case in cases if case.kind in KINDS]):
            inputs = {name: array[:MIN_ROWS] if self._batched(name) else array for name, array in case.inputs.items()}
            yield from self._stages(Case(case.kind, inputs, case.sizes))
            if self.problems:
                return

    def _batched(self, name: str) -> bool:
        port = next(port for port in self.graph.inputs if port.name == name)
        return self.graph.batch is not None and port.shape[:1] == (self.graph.batch,)

    def _stages(self, case: Case) -> Iterator[Stage]:
        assert self.reference is not None
        reference, graph = self.reference, self.graph
        run: Run = reference.memo.get("loops", graph, case.inputs, lambda: watched_run(reference, graph, case.inputs))
        self.problems += _differences(self.loops, run.loops)
        if not run.loops or self.problems:
            return
        whole = self._whole(case, run)
        yield whole
        try:
            captured = self._captured(whole)
        except Exception as error:  # ONNX Runtime raises a type of its own for every status
            self.problems.append(f"around its loops the graph does not run ({str(error).strip().splitlines()[0][:200]})")
            return
        for number, (loop, pieces) in enumerate(zip(run.loops, run.steps, strict=True)):
            yield self._step(number, case, loop, pieces, captured[number])

    def _whole(self, case: Case, run: Run) -> Stage:
        results = {
            f"loop {number} result {place}": value
            for number, values in enumerate(run.results)
            for place, value in enumerate(values)
        }
        names = dict(zip(results, (name for loop in self.loops for name in loop.results), strict=True))
        inputs = {**{port.name: case.inputs[port.name] for port in self.graph.inputs}, **results}
        outputs = [
            _port(f"{what} of loop {number}", value)
            for number, loop in enumerate(run.loops)
            for what, value in _entering(loop)
        ]
        ports = (*outputs, *self.graph.outputs)
        skipped: list[int] = []
        place = 0
        for loop in self.loops:
            places = range(place, place + len(entering(loop)))
            skipped += places[len(places) - len(loop.captured) :]
            place += len(places)
        graph = Graph(
            name=f"{self.graph.name} around its loops",
            inputs=(*self.graph.inputs, *(_port(name, value) for name, value in results.items())),
            outputs=tuple(ports),
            batch=None,
        )
        whole = (*((port.name, port.name) for port in self.graph.inputs), *names.items())
        return Stage(
            graph, run.around, [Case(case.kind, inputs, case.sizes)], self._around, whole,
            skipped=tuple(skipped),
        )  # fmt: skip

    def _captured(self, whole: Stage) -> list[Arrays]:
        """What each loop's body takes from around it, as the file computes it."""
        [case] = whole.cases
        values = iter(self._around.run({name: case.inputs[port] for port, name in whole.names}))
        found = []
        for loop in self.loops:
            taken = dict(zip(entering(loop), values, strict=False))
            found.append({name: taken[name] for name in loop.captured})
        return found

    def _step(self, number: int, case: Case, loop: Loop, reference: TorchReference, captured: Arrays) -> Stage:
        chosen = np.unique(np.linspace(0, len(loop.steps) - 1, min(MAX_STEPS, len(loop.steps))).astype(int))
        cases = []
        for place in chosen if loop.steps else []:
            taken = loop.steps[place]
            state = {f"state {index}": _rounded(value) for index, value in enumerate(taken.state)}
            slices = {f"slice {index}": _rounded(value) for index, value in enumerate(taken.slices)}
            cases.append(Case(case.kind, {**state, **slices}, {"step": int(place) + 1}))
        ports = [] if loop.condition is None else [Port(name=f"loop {number}: goes on", dtype="bool", shape=())]
        count = len(loop.state)
        for index, value in enumerate(loop.results):
            what = f"next state {index}" if index < count else f"slice of result {index - count}"
            shape = value.shape if index < count else value.shape[1:]
            ports.append(Port(name=f"loop {number}: {what}", dtype=_dtype(value), shape=tuple(shape)))
        inputs = tuple(_port(name, value) for name, value in (cases[0].inputs.items() if cases else ()))
        graph = Graph(name=f"step of loop {number}", inputs=inputs, outputs=tuple(ports), batch=None)
        return Stage(graph, reference, cases, self._steps[number], (), self.loops[number], captured)


@dataclass(frozen=True)
class Run:
    """One call of the original: its loops in the order in which they ran, what they came to as a graph's tensors hold it,
    and the references of its pieces, which are given that."""

    loops: list[Loop]
    results: list[list[np.ndarray]]
    around: TorchReference
    steps: list[TorchReference]

    @property
    def nbytes(self) -> int:
        """Of all states and slices, as the loops hold them."""
        return sum(value.nbytes for loop in self.loops for step in loop.steps for value in (*step.state, *step.slices))


def watched_run(reference: TorchReference, graph: Graph, inputs: Arrays) -> Run:
    """Call the original and keep what its loops did."""
    loops = _watched(reference.double, graph, inputs, torch.float64)
    results = [[_rounded(result) for result in loop.results] for loop in loops]
    double = _watched(reference.double, graph, inputs, torch.float64, results)
    single = _watched(reference.single, graph, inputs, torch.float32, results)
    counts = [len(values) for values in results]
    around = TorchReference.of(*(_Around(module, graph, counts) for module in (reference.double, reference.single)))
    steps = [TorchReference.of(_Step(one), _Step(other)) for one, other in zip(double, single, strict=True)]
    return Run(loops, results, around, steps)


class _Around(nn.Module):
    """The original with its loops' results given: it gives what goes into each of them, then its own outputs."""

    def __init__(self, original: nn.Module, graph: Graph, counts: list[int]) -> None:
        super().__init__()
        self.original, self._graph, self._counts = original, graph, counts

    def forward(self, *tensors: Tensor) -> Tensors:
        inputs, rest = tensors[: len(self._graph.inputs)], list(tensors[len(self._graph.inputs) :])
        given = [tuple(rest.pop(0) for _ in range(count)) for count in self._counts]
        with watching(given) as watch:
            outputs = getattr(self.original, self._graph.methods[0])(*inputs)
        entered = [value for loop in watch.loops for _, value in _entering(loop)]
        return (*entered, *(outputs if isinstance(outputs, tuple) else (outputs,)))


class _Step(nn.Module):
    """One step of a loop of the original, and before it, of a `while_loop`, whether another one follows."""

    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self._loop = loop

    def forward(self, *values: Tensor) -> Tensors:
        after = self._loop.body(*values)
        if self._loop.condition is None:
            return tuple(after)
        return (torch.as_tensor(self._loop.condition(*after[: len(self._loop.state)])), *after)


def _entering(loop: Loop) -> list[tuple[str, Tensor]]:
    first = [] if loop.condition is None else [("first condition", torch.as_tensor(loop.condition(*loop.state)))]
    state = [(f"first state {index}", value) for index, value in enumerate(loop.state)]
    return [*first, *state, *((f"input {index}", value) for index, value in enumerate(loop.inputs))]


def _watched(
    module: nn.Module, graph: Graph, inputs: Arrays, dtype: torch.dtype, given: list[list[np.ndarray]] | None = None
) -> list[Loop]:
    """The loops of one call of the original, in the order in which they ran."""
    arrays = [torch.from_numpy(np.array(inputs[port.name])) for port in graph.inputs]
    taken = [tuple(_cast(torch.from_numpy(np.array(value)), dtype) for value in values) for values in given or []]
    with torch.no_grad(), watching(taken) as watch:
        getattr(module, graph.methods[0])(*(_cast(tensor, dtype) for tensor in arrays))
    return watch.loops


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _differences(found: list[FileLoop], expected: list[Loop]) -> list[str]:
    """Sentences where the file's loops are not the original's; none where the original's cannot be watched."""
    if not expected:
        return []
    if len(found) != len(expected):
        return [f"the file has {len(found)} loops, the original runs {len(expected)}"]
    problems = []
    for number, (loop, right) in enumerate(zip(found, expected, strict=True)):
        turned = [a.name for a in loop.node.attribute if a.name in _NOT_PLAIN and any(a.ints)]
        if turned:
            problems.append(f"loop {number} has {', '.join(turned)} other than 0")
        if loop.node.op_type == "Loop" and loop.node.input[0]:
            problems.append(f"loop {number} has a largest number of steps, which the original's has not")
        sizes = [(len(loop.state), len(right.state)), (len(loop.inputs), len(right.inputs)),
                 (len(loop.results), len(right.results)), (bool(loop.condition), right.condition is not None)]  # fmt: skip
        if any(one != other for one, other in sizes):
            problems.append(f"loop {number} carries other tensors than the original's")
    return problems


def _rounded(value: Tensor) -> np.ndarray:
    array: np.ndarray = value.detach().cpu().numpy()
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _dtype(value: Tensor | np.ndarray) -> str:
    name = str(value.dtype).removeprefix("torch.")
    return "float32" if name == "float64" else name


def _port(name: str, value: Tensor | np.ndarray) -> Port:
    return Port(name=name, dtype=_dtype(value), shape=tuple(value.shape))
