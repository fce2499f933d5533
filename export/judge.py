"""The verdict on twins: reduced precision by the task metric, an optimised file by the rule itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.prove import Reference, prove, sentences
from export.score import Comparison, by_session, compare_scores, score_rows
from export.twins import VARIANTS
from zoo.budgets import BUDGETS
from zoo.manifest import Manifest
from zoo.metrics import Metric
from zoo.providers import TF32_OVERRIDE
from zoo.run import graph_inputs
from zoo.session import Session
from zoo.spec import Arrays, Graph

ROWS = 64  # of the call that is repeated
TF32 = "tf32"  # the graph itself, multiplied with 10 bits of mantissa: an option of CUDA, and no file


@dataclass(frozen=True)
class TwinReport:
    """Whether a variant of all graphs is accepted, and why not. `comparison` is None for what the rule itself judges."""

    variant: str
    accepted: bool
    why: str
    comparison: Comparison | None = None


def variants_in(folder: Path, manifest: Manifest) -> list[str]:
    """Variants of which the folder has a file of every graph."""
    return [name for name in VARIANTS if all((folder / graph.variant_file(name)).is_file() for graph in manifest.graphs)]


def judge_twin(
    variant: str,
    folder: Path,
    manifest: Manifest,
    reference: Reference,
    samples: Arrays,
    metric: Metric,
    expected: np.ndarray,
    seed: int,
    *,
    provider: str = "cpu",
) -> TwinReport:
    """`expected` holds the original's scores of the rows of `samples`, which are the whole evaluation split."""
    if variant == TF32 and os.environ.get(TF32_OVERRIDE) == "0":
        return TwinReport(variant, False, f"{TF32_OVERRIDE}=0 keeps TensorFloat-32 off in this process; unset it")
    try:
        sessions = {graph.name: _open(variant, folder, graph, provider) for graph in manifest.graphs}
        if variant not in BUDGETS:
            return _by_rule(variant, manifest, sessions, reference, samples, seed)
        for graph in manifest.graphs:
            if not _repeats(sessions[graph.name], _some(graph, graph_inputs(samples, graph))):
                return TwinReport(variant, False, f"graph {graph.name!r} answers two equal calls differently")
        found = score_rows(metric, samples, by_session(sessions))
    except Exception as error:  # ONNX Runtime raises a type of its own for every status
        return TwinReport(variant, False, str(error).strip() or type(error).__name__)
    comparison = compare_scores(metric, expected, found, np.random.default_rng(seed))
    return _by_metric(variant, metric, comparison)


def _open(variant: str, folder: Path, graph: Graph, provider: str) -> Session:
    if variant == TF32:
        return Session(folder / graph.file, graph, provider=provider, provider_options={"use_tf32": "1"})
    return Session(folder / graph.variant_file(variant), graph, provider=provider)


def _by_rule(
    variant: str, manifest: Manifest, sessions: dict[str, Session], reference: Reference, samples: Arrays, seed: int
) -> TwinReport:
    for number, graph in enumerate(manifest.graphs):
        rng = np.random.default_rng([seed, number])
        report = prove(graph, sessions[graph.name], reference, graph_inputs(samples, graph), rng)
        if not report.passed:
            return TwinReport(variant, False, f"graph {graph.name!r}: {sentences(report)[0]}")
    return TwinReport(variant, True, "within the same bounds as the graph itself")


def _by_metric(variant: str, metric: Metric, comparison: Comparison) -> TwinReport:
    allowed = BUDGETS[variant].allowed(metric.name, comparison.reference)
    worst = comparison.low if metric.direction > 0 else -comparison.high
    if not np.isfinite(worst):
        return TwinReport(variant, False, f"its {metric.name} is {comparison.found}", comparison)
    loss = max(0.0, -worst)
    what = f"loses at most {loss:.4g} {metric.name} (95 %), {allowed:.4g} allowed"
    return TwinReport(variant, loss <= allowed, what, comparison)


def _some(graph: Graph, inputs: Arrays) -> Arrays:
    """Some rows; all of them where they depend on one another."""
    return inputs if graph.batch is None else {name: array[:ROWS] for name, array in inputs.items()}


def _repeats(session: Session, inputs: Arrays) -> bool:
    first, again = session.run(inputs), session.run(inputs)
    return all(np.array_equal(first[name], again[name]) for name in first)
