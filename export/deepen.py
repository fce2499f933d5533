"""What a full validation adds to parity: the task metric, the verdict on twins, and the opset matrix."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.judge import TF32, TwinReport, judge_twin, variants_in
from export.opsets import OPSETS, OpsetOutcome, opset_of, try_opset
from export.prove import Reference
from export.score import Comparison, by_original, by_session, compare_scores, score_rows
from zoo.codecs import make_codec
from zoo.manifest import Manifest
from zoo.metrics import load_metric
from zoo.original import Original
from zoo.run import FILES, graph_inputs
from zoo.session import Session
from zoo.spec import Arrays


@dataclass(frozen=True)
class Subject:
    """An artifact that is validated: where it lies, what it is held against, on which samples and how.

    `whole` says that the samples are the whole test split.
    """

    folder: Path
    manifest: Manifest
    original: Original
    reference: Reference
    samples: Arrays
    provider: str
    seed: int
    whole: bool

    @property
    def variants(self) -> list[str]:
        """Twins to be judged, which takes the whole test split; TensorFloat-32 is one on CUDA, of the same files."""
        if not self.whole:
            return []
        return [*variants_in(self.folder, self.manifest), *([TF32] if self.provider == "cuda" else [])]

    @property
    def num_steps(self) -> int:
        """Phases that `deepen` tells of."""
        return 1 + len(self.variants) + len(self.manifest.graphs) * len(OPSETS)


def deepen(subject: Subject, step: Callable[[str], None]) -> tuple[Comparison, list[TwinReport], list[OpsetOutcome]]:
    """The task metric of the graphs beside the original's, the twins, and every graph, which has passed, at every opset.

    `step` is told what comes next.
    """
    folder, manifest, seed = subject.folder, subject.manifest, subject.seed
    answers = {f"{graph.name}/{port.name}" for graph in manifest.graphs for port in graph.outputs}
    samples = {name: array for name, array in subject.samples.items() if name not in answers}  # golden files hold them
    metric = load_metric(manifest.training["metric"], make_codec(manifest.task, manifest.codec, folder / FILES))
    step(f"{metric.name} on {len(samples['targets']):,} rows")
    expected = score_rows(metric, samples, by_original(subject.original))
    sessions = {graph.name: Session(folder / graph.file, graph, provider=subject.provider) for graph in manifest.graphs}
    found = score_rows(metric, samples, by_session(sessions))
    comparison = compare_scores(metric, expected, found, np.random.default_rng(seed))
    twins = []
    for variant in subject.variants:
        step(f"twin {variant}")
        twins.append(
            judge_twin(
                variant, folder, manifest, subject.reference, samples, metric, expected, seed, provider=subject.provider
            )
        )
    outcomes = []
    shipped = {graph.name: opset_of(folder / graph.file) for graph in manifest.graphs}
    for (number, graph), opset in itertools.product(enumerate(manifest.graphs), OPSETS):
        step(f"graph {graph.name} at opset {opset}")
        if opset == shipped[graph.name]:
            outcomes.append(OpsetOutcome(graph.name, opset, True, "proven"))  # the file itself, which has passed
            continue
        rng = np.random.default_rng([seed, number])  # the inputs of the proof: the reference remembers its answers
        inputs = graph_inputs(samples, graph)
        outcomes.append(try_opset(subject.original, graph, opset, subject.reference, inputs, rng))
    return comparison, twins, outcomes
