"""The opset matrix: a graph exported anew at several opsets, each run and held against the same reference."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from export.exporter import export_graph
from export.prove import Reference, prove, sentences
from zoo.errors import ZooError
from zoo.original import Original
from zoo.session import Session
from zoo.spec import Arrays, Graph

OPSETS = (18, 20, 23)


@dataclass(frozen=True)
class OpsetOutcome:
    """Whether a graph exported at an opset is proven, and what is not."""

    graph: str
    opset: int
    passed: bool
    what: str


def opset_of(path: Path) -> int:
    """The opset of ONNX's own operators that a file is written in."""
    model = onnx.load(path, load_external_data=False)
    return next(int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def try_opset(
    original: Original, graph: Graph, opset: int, reference: Reference, samples: Arrays, rng: np.random.Generator
) -> OpsetOutcome:
    """Export `graph` at `opset`, open it as everything is opened, and prove it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / graph.file
        try:
            export_graph(original, graph, path, opset=opset)
            report = prove(graph, Session(path, graph), reference, samples, rng)
        except ZooError as error:
            return OpsetOutcome(graph.name, opset, False, str(error))
    failures = sentences(report)
    return OpsetOutcome(graph.name, opset, report.passed, failures[0] if failures else "proven")
