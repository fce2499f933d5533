"""Cuts through an ONNX graph, and sessions that show the values of one.

The cut after the first k nodes is the set of values that those nodes compute and that a later node or an output of the
graph reads. Everything after a cut is computed from its values, the inputs and the weights alone: where all of a cut's
values are right, the fault lies after it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from zoo.errors import ArtifactError
from zoo.session import Session, open_session
from zoo.spec import Arrays, Graph

_GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


class Cuts:
    """The nodes of a graph in their stored, topological order, and the cuts between them."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.nodes = list(graph.node)
        self.producer = {value: number for number, node in enumerate(self.nodes) for value in node.output if value}
        self._last_reader = dict.fromkeys((value.name for value in graph.output), len(self.nodes))
        for number, node in enumerate(self.nodes):
            for value in reads(node):
                self._last_reader[value] = max(number, self._last_reader.get(value, 0))

    def after(self, count: int) -> list[str]:
        """Values of the cut after the first `count` nodes, in the order in which they are computed."""
        return [
            value for value, number in self.producer.items() if number < count <= self._last_reader.get(value, number - 1)
        ]

    def complete(self, known: Iterable[str]) -> list[int]:
        """Node counts, at least 1, after which every value of the cut is among `known`; the last is always the whole."""
        names = set(known)
        return [k for k in range(1, len(self.nodes)) if names.issuperset(self.after(k))] + [len(self.nodes)]


def reads(node: onnx.NodeProto) -> list[str]:
    """Values that a node reads, those that the bodies of Loop, Scan and If capture included."""
    found = [value for value in node.input if value]
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs) if attribute.type in _GRAPHS else ():
            inside = {value.name for value in (*body.input, *body.initializer)}
            inside.update(value for inner in body.node for value in inner.output)
            captured = [*(value for inner in body.node for value in reads(inner)), *(value.name for value in body.output)]
            found += [value for value in captured if value not in inside]
    return found


class Opener:
    """Opens one file again and again, each time with other values as further outputs, and counts the openings.

    The file goes through `zoo.session` with the options that serve it: all of its nodes stay, all optimisations stay on,
    and only a fusion that would swallow one of the shown values is undone.
    """

    def __init__(self, path: Path, graph: Graph, model: onnx.ModelProto, provider: str) -> None:
        self.path, self.graph, self.model, self.provider = path, graph, model, provider
        self.count = 0

    def outputs(self, calls: Sequence[Arrays]) -> list[Arrays] | None:
        """The graph's own outputs for each call, from the file as it is; None where it does not open or run."""
        self.count += 1
        try:
            session = Session(self.path, self.graph, provider=self.provider)
            return [session.run(inputs) for inputs in calls]
        except Exception as error:
            if _is_failure(error):
                return None
            raise

    def values(self, names: Sequence[str], calls: Sequence[Arrays], *, first: int | None = None) -> list[Arrays] | None:
        """The named values for each call; None where the graph does not open or run.

        `first` keeps that many nodes only: of a graph that does not run as a whole, the cuts before the fault still do.
        """
        self.count += 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, self.path.name)
            path.write_bytes(self._showing(names, first).SerializeToString())
            try:
                session = open_session(path, self.provider, 0, {})
                return [_run(session, names, inputs) for inputs in calls]
            except Exception as error:
                if _is_failure(error):
                    return None
                raise

    def _showing(self, names: Sequence[str], first: int | None) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        if first is not None:
            del model.graph.node[first:]
            del model.graph.output[:]
        shown = {value.name for value in model.graph.output}
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in shown)
        return model


def _run(session: Any, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> Arrays:
    """A truncated graph keeps its inputs, so every call fits."""
    return dict(zip(names, session.run(list(names), dict(inputs)), strict=True))


def _is_failure(error: Exception) -> bool:
    """Whether the file does not open, or ONNX Runtime, which has a type of its own for every status, does not run it."""
    return isinstance(error, ArtifactError) or type(error).__module__.startswith("onnxruntime")
