"""First divergence: the first module and ONNX node whose output leaves the floor.

The nodes of the shipped file stand in topological order. A cut shows the values that cross from the first k nodes to the
rest: if one of them is off, the fault lies before the cut; if none is, what follows is computed from right values. So the
first cut that is off is found by bisection, in at most ⌈log₂ n⌉ + 1 openings of the file for n nodes: one of the file as it
is, and one for each step. An opening adds the cut's values to the outputs and leaves the rest of the graph, its fusions
and the options of the session alone. A graph that does not run is opened up to the cut instead.

Bounds are those of `export.compare`, taken for each value (`export.bisect_values`).

A fault that no output shows (in units that a ReLU silences, say) is looked for once, with all values shown, which undoes
fusions; what that finds counts only if it is off again in an opening that shows its value alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from export.bisect_match import Match
from export.bisect_sources import EstimatorSource, TraceSource
from export.bisect_values import ValueReference, deviation
from export.cuts import Opener
from export.exporter import OPSET
from export.lift import read_model
from export.reference import EstimatorReference
from zoo.hub import GOLDEN, ORIGINAL
from zoo.manifest import Manifest
from zoo.original import Original
from zoo.run import graph_inputs, load_arrays
from zoo.spec import Arrays, Graph

Off = dict[str, tuple[float, float]]  # error and bound of every value that leaves its bound


@dataclass(frozen=True)
class Divergence:
    """Where a graph first leaves its original.

    `module` is the path within the original, empty for the original itself and for estimators. `error` and `bound` are of
    `value`, in its unit; integers and booleans are counted as a share of entries, and a graph that does not run is
    infinitely far off. `openings` is how often the file was opened, for `num_nodes` nodes. `note` says what is uncertain.
    """

    module: str
    node: str
    op: str
    value: str
    error: float
    bound: float
    openings: int
    num_nodes: int
    note: str = ""

    def describe(self) -> str:
        """One sentence."""
        where = f"Module {self.module!r}" if self.module else "The original itself"
        what = f"{where}, node {self.node!r} ({self.op})" if self.node else where
        off = f"off by {self.error:.3g}, bound {self.bound:.3g}"
        if self.error == float("inf"):
            off = "of another shape, or not finite where it should be" if self.bound else "not computed"
        note = f" ({self.note})" if self.note else ""
        cost = f"{self.openings} openings, {self.num_nodes} nodes"
        return f"{what}, is the first to leave its bound: {self.value!r} is {off}{note}; {cost}."


def bisect(
    folder: Path,
    graph_name: str,
    *,
    onnx_path: Path | None = None,
    seed: int = 0,
    samples: Arrays | None = None,
    provider: str = "cpu",
) -> Divergence | None:
    """The first divergence of a graph of an artifact or candidate; None where no value leaves its bound.

    `onnx_path` is another file of the same graph than the artifact's; `samples` are real inputs by port, by default the
    golden ones; `seed` is that of the drawn inputs. Raises ArtifactError, CheckpointError or DataError for what cannot be
    read, UnknownNameError for an unknown graph, SpecError where the file's ports are others, ExportError where the original
    cannot be traced, and ParityError where there is nothing to compare on.
    """
    manifest = Manifest.read(folder)
    graph = manifest.graph(graph_name)
    if samples is None:
        samples = graph_inputs(load_arrays(folder / GOLDEN), graph)
    path = onnx_path or folder / graph.file
    original, opset = Original.load(folder / ORIGINAL), _opset(path)
    source = (
        EstimatorSource(EstimatorReference(original), graph, opset)
        if original.family.kind == "estimator"
        else TraceSource(original.model, graph, opset)
    )
    rng = np.random.default_rng([seed, manifest.graphs.index(graph)])
    return first_divergence(path, ValueReference(source, graph, samples, rng), provider=provider)


def bisect_module(
    module: nn.Module,
    graph: Graph,
    onnx_path: Path,
    *,
    seed: int = 0,
    samples: Arrays | None = None,
    provider: str = "cpu",
) -> Divergence | None:
    """The same for a module and a file of its graph, without an artifact. `module` is left as it is."""
    source = TraceSource(module, graph, _opset(onnx_path))
    reference = ValueReference(source, graph, samples or {}, np.random.default_rng(seed))
    return first_divergence(onnx_path, reference, provider=provider)


def first_divergence(onnx_path: Path, reference: ValueReference, *, provider: str = "cpu") -> Divergence | None:
    """The same where the reference is at hand already; one reference serves any number of files of its graph."""
    search = _Search(onnx_path, reference, provider)
    return search.untraced() or search.visible() or search.hidden()


class _Search:
    """One bisection. `of` maps the file's values to the reference's."""

    def __init__(self, path: Path, reference: ValueReference, provider: str) -> None:
        model = read_model(path)
        self.reference = reference
        self.match = Match(model.graph, reference.model.graph)
        self.cuts = self.match.shipped
        self.of = {value: name for value, name in self.match.of.items() if name in reference.known}
        self.opener = Opener(path, reference.graph, model, provider)
        self.calls = [case.inputs for case in reference.cases]
        self.runs = True

    def untraced(self) -> Divergence | None:
        """The module at which the exporter's trace itself leaves the original; the file need not be opened for that."""
        found = self.reference.untraced
        if found is None:
            return None
        note = "the exporter's trace already computes something else than the original"
        return Divergence(found.module, "", "", "output", found.error, found.bound, 0, len(self.cuts.nodes), note)

    def visible(self) -> Divergence | None:
        """Bisection between the inputs, which are right, and the outputs, where one of these is off."""
        steps = [0, *self.cuts.complete(self.of)]
        low, high = 0, len(steps) - 1
        off = self._whole()
        if not off:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            found = self._after(steps[middle])
            if found:
                high, off = middle, found
            else:
                low = middle
        return self._divergence(off, steps[low])

    def hidden(self) -> Divergence | None:
        """A value that is off although the outputs are right, where there are values besides them."""
        outputs = {port.name for port in self.reference.graph.outputs}
        names = [value for value in self.cuts.producer if value in self.of]
        if not self.match.by_name or outputs.issuperset(names):
            return None
        off = self._shown(names)
        first = min(off, key=lambda name: self.cuts.producer[name], default=None)
        if first is None or outputs.union([first]).issuperset(names):
            return self._divergence(off, 0) if off else None
        off = self._shown([first])
        before = [count for count in self.cuts.complete(self.of) if count <= self.cuts.producer[first]]
        return self._divergence(off, max(before, default=0)) if off else None

    def _whole(self) -> Off:
        names = [port.name for port in self.reference.graph.outputs]
        found = self.opener.outputs(self.calls)
        self.runs = found is not None
        return self._compare(names, found, len(self.cuts.nodes))

    def _after(self, count: int) -> Off:
        names = self.cuts.after(count)
        if not names:
            return {}
        found = self.opener.values(names, self.calls, first=None if self.runs else count)
        return self._compare(names, found, count)

    def _shown(self, names: list[str]) -> Off:
        return self._compare(names, self.opener.values(names, self.calls), len(self.cuts.nodes))

    def _compare(self, names: list[str], found: list[Arrays] | None, count: int) -> Off:
        """What leaves its bound; where nothing came out, the last of the first `count` nodes is taken not to run."""
        if found is None:
            value = next(name for name in self.cuts.nodes[count - 1].output if name)
            return {value: (float("inf"), 0.0)}
        off: Off = {}
        for number, (case, values) in enumerate(zip(self.reference.cases, found, strict=True)):
            expected = self.reference.expected(number)
            for name in names:
                error = deviation(values[name], expected[self.of[name]])
                bound = self.reference.bound(case.kind, self.of[name])
                if not error <= bound and _times(error, bound) >= _times(*off.get(name, (0.0, 1.0))):
                    off[name] = (error, bound)
        return off

    def _divergence(self, off: Off, low: int) -> Divergence:
        """The first of the values that are off, among those that the nodes from `low` on compute."""
        producer = self.cuts.producer
        value = min(off, key=lambda name: (producer.get(name, -1) < low, producer.get(name, -1)))
        if value in producer:
            blame = self.match.blame(value, low)
            module, node, op, note = blame.module, blame.node.name or blame.node.output[0], blame.node.op_type, blame.note
        else:
            module, node, op, note = "", "", "", "the file passes a weight or an input on as this output"
        return Divergence(module, node, op, value, *off[value], self.opener.count, len(self.cuts.nodes), note)


def _times(error: float, bound: float) -> float:
    return error / bound if bound else float("inf")


def _opset(path: Path) -> int:
    """Opset of the file: a conversion of the same opset has the same nodes."""
    return next((entry.version for entry in read_model(path).opset_import if entry.domain in ("", "ai.onnx")), OPSET)
