"""The validation stage: an artifact's shipped files against the untouched original.

Everything is opened from the artifact: the graphs through `zoo.session`, as prediction and the service open them, and
the original from its checkpoint, in this process, which has not exported anything.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from export.compare import distance
from export.coverage import remarks
from export.judge import TwinReport, judge_twin, variants_in
from export.opsets import OPSETS, OpsetOutcome, try_opset
from export.prove import GraphReport, Reference, prove
from export.reference import load_reference
from export.score import Comparison, by_original, by_session, compare_scores, score_rows
from zoo.errors import ArtifactError, SpecError, UnknownNameError
from zoo.hub import GOLDEN, ORIGINAL
from zoo.manifest import CERTIFICATE, Certificate, Manifest, verify
from zoo.metrics import load_metric
from zoo.original import Original
from zoo.placement import nodes_elsewhere
from zoo.providers import runtime_name
from zoo.run import EVALUATION, graph_inputs, load_arrays
from zoo.session import Session
from zoo.spec import Arrays

DEPTHS = ("quick", "full", "thorough")
THOROUGH_SEEDS = 10  # sets of drawn inputs


@dataclass
class Report:
    """What was found of an artifact or a file. `subject` names it, `samples` says where the real inputs came from."""

    subject: str
    samples: str
    seed: int
    provider: str
    depth: str = "quick"
    graphs: list[GraphReport] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    metric: Comparison | None = None
    twins: list[TwinReport] = field(default_factory=list)
    opsets: list[OpsetOutcome] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Refused twins do not fail the model: they are not shipped. A failing opset other than the shipped one neither."""
        return not self.problems and bool(self.graphs) and all(graph.passed for graph in self.graphs)


def validate(
    folder: Path,
    *,
    run: Path | None = None,
    seed: int = 0,
    provider: str = "cpu",
    depth: str = "quick",
    say: Callable[[str], None] = lambda what: None,
) -> Report:
    """Prove every graph of the artifact in `folder`; the report says what failed.

    Real inputs are the test split of `run`, or the artifact's golden samples. `quick` is parity and invariances; `full`
    adds the task metric, the verdict on twins and the opset matrix; `thorough` ten sets of drawn inputs. `say` is told
    what comes next. Raises ArtifactError and CheckpointError where the artifact cannot be opened, ParityError where
    nothing would be compared.
    """
    started = time.perf_counter()
    if depth not in DEPTHS:
        raise UnknownNameError("depth", depth, DEPTHS)
    manifest = Manifest.read(folder)
    source = f"test split of {run}" if run else f"golden samples of {folder.name}"
    report = Report(f"{manifest.model} v{manifest.version}", source, seed, provider, depth)
    if (folder / CERTIFICATE).exists():
        try:
            verify(folder, Certificate.read(folder))
        except ArtifactError as error:
            report.problems.append(str(error))
            return report
    samples = load_arrays(run / EVALUATION if run else folder / GOLDEN)
    original, reference = Original.load(folder / ORIGINAL), load_reference(folder / ORIGINAL)
    _check_declaration(manifest, original)
    _prove_graphs(report, folder, manifest, reference, samples, say)
    if not run and not report.problems:
        report.problems += _check_golden(manifest, samples, reference, report.graphs)
    if depth != "quick" and report.passed:
        _deepen(report, folder, manifest, original, reference, samples, say, whole=run is not None)
    report.seconds = time.perf_counter() - started
    return report


def _prove_graphs(
    report: Report, folder: Path, manifest: Manifest, reference: Reference, samples: Arrays, say: Callable[[str], None]
) -> None:
    seeds = range(report.seed, report.seed + (THOROUGH_SEEDS if report.depth == "thorough" else 1))
    for number, graph in enumerate(manifest.graphs):
        inputs = graph_inputs(samples, graph)
        say(f"graph {graph.name}: parity and invariances")
        try:
            session = Session(folder / graph.file, graph, provider=report.provider)
            report.options = session.options()
            found = [prove(graph, session, reference, inputs, np.random.default_rng([seed, number])) for seed in seeds]
        except (SpecError, ArtifactError) as error:
            report.problems.append(f"graph {graph.name}: {error}")
            continue
        chosen = next((each for each in found if not each.passed), found[0])
        if chosen.passed:
            chosen.remarks += remarks(folder / graph.file, graph, chosen.cases)
            chosen.remarks += _placement(folder / graph.file, report.provider, chosen.cases[0].inputs)
        report.graphs.append(chosen)


def _placement(path: Path, provider: str, inputs: Arrays) -> list[str]:
    """A remark on the nodes that did not run on the provider; the CPU runs all that it is given."""
    if runtime_name(provider) == runtime_name("cpu"):
        return []
    names = nodes_elsewhere(path, inputs, provider)
    return [f"{len(names)} nodes did not run on {provider}: {', '.join(names)}"] if names else []


def _deepen(
    report: Report,
    folder: Path,
    manifest: Manifest,
    original: Original,
    reference: Reference,
    samples: Arrays,
    say: Callable[[str], None],
    *,
    whole: bool,
) -> None:
    """The task metric, twins where the `whole` test split is at hand, and the opset matrix."""
    outputs = {f"{graph.name}/{port.name}" for graph in manifest.graphs for port in graph.outputs}
    samples = {name: array for name, array in samples.items() if name not in outputs}  # golden files hold answers too
    metric = load_metric(manifest.training["metric"])
    say(f"{metric.name} on {len(samples['targets']):,} rows")
    expected = score_rows(metric, samples, by_original(original))
    sessions = {graph.name: Session(folder / graph.file, graph, provider=report.provider) for graph in manifest.graphs}
    found = score_rows(metric, samples, by_session(sessions))
    report.metric = compare_scores(metric, expected, found, np.random.default_rng(report.seed))
    for variant in variants_in(folder, manifest) if whole else []:
        say(f"twin {variant}")
        report.twins.append(judge_twin(variant, folder, manifest, reference, samples, metric, expected, report.seed))
    for graph, opset in itertools.product(manifest.graphs, OPSETS):
        say(f"graph {graph.name} at opset {opset}")
        outcome = try_opset(original, graph, opset, reference, graph_inputs(samples, graph), report.seed)
        report.opsets.append(outcome)


def _check_declaration(manifest: Manifest, original: Original) -> None:
    """The manifest's graphs must be those that the family declares for the original's configuration."""
    if manifest.graphs != original.graphs:
        raise ArtifactError(f"The graphs in the manifest of {manifest.model} are not those of its family; export again.")


def _check_golden(manifest: Manifest, samples: Arrays, reference: Reference, graphs: list[GraphReport]) -> list[str]:
    """The stored golden outputs must be the original's: they are what a service is checked with."""
    problems = []
    for graph, report in zip(manifest.graphs, graphs, strict=True):
        bounds = report.bounds()
        computed = reference.ref64(graph, graph_inputs(samples, graph))
        for port in graph.outputs:
            stored = samples.get(f"{graph.name}/{port.name}")
            if stored is None or stored.shape != computed[port.name].shape:
                problems.append(f"graph {graph.name}: {GOLDEN} has no output {port.name!r} of the right shape")
            elif not distance(stored, computed[port.name]) <= bounds[port.name]:
                problems.append(f"graph {graph.name}: {GOLDEN} holds other values of {port.name!r} than the original gives")
    return problems
