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
from export.deepen import Subject, deepen
from export.judge import TwinReport
from export.opsets import OpsetOutcome
from export.progress import Say
from export.prove import GraphReport, Reference, prove
from export.reference import load_reference
from export.replay import check_replay
from export.score import Comparison
from export.threads import check_threads
from zoo.errors import ArtifactError, UnknownNameError
from zoo.hub import GOLDEN, ORIGINAL
from zoo.manifest import CERTIFICATE, Certificate, Manifest, verify
from zoo.original import Original
from zoo.placement import nodes_elsewhere
from zoo.providers import runtime_name
from zoo.run import EVALUATION, graph_inputs, load_arrays
from zoo.session import Session
from zoo.spec import Arrays, Graph

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
    say: Say = lambda what, done, total: None,
) -> Report:
    """Prove every graph of the artifact in `folder`; the report says what failed.

    Real inputs are the test split of `run`, or the artifact's golden samples. `quick` is parity and invariances; `full`
    adds the task metric, the verdict on twins and the opset matrix; `thorough` ten sets of drawn inputs. `say` is told
    what comes next. Raises ArtifactError and CheckpointError where the artifact cannot be opened, SpecError where a
    file's ports are others, ParityError where nothing would be compared.
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
    subject = Subject(folder, manifest, original, reference, samples, provider, seed, run is not None)
    step = _steps(say, len(manifest.graphs) * len(_seeds(report)) + (subject.num_steps if depth != "quick" else 0))
    _prove_graphs(report, subject, step)
    if not run and not report.problems:
        report.problems += _check_golden(manifest, samples, reference, report.graphs)
    if depth != "quick" and report.passed:
        report.metric, report.twins, report.opsets = deepen(subject, step)
    report.seconds = time.perf_counter() - started
    return report


def _steps(say: Say, total: int) -> Callable[[str], None]:
    """Numbers the phases."""
    done = itertools.count()
    return lambda what: say(what, next(done), total)


def _seeds(report: Report) -> range:
    return range(report.seed, report.seed + (THOROUGH_SEEDS if report.depth == "thorough" else 1))


def _prove_graphs(report: Report, subject: Subject, step: Callable[[str], None]) -> None:
    for number, graph in enumerate(subject.manifest.graphs):
        path, inputs = subject.folder / graph.file, graph_inputs(subject.samples, graph)
        found = []
        session = Session(path, graph, provider=report.provider)
        report.options = session.options()
        for seed in _seeds(report):
            step(f"graph {graph.name}: parity and invariances")
            found.append(prove(graph, session, subject.reference, inputs, np.random.default_rng([seed, number])))
        chosen = next((each for each in found if not each.passed), found[0])
        if chosen.passed:
            chosen.remarks += remarks(path, graph, chosen.cases)
            _check_provider(chosen, path, graph, session, np.random.default_rng(report.seed))
        report.graphs.append(chosen)


def _check_provider(report: GraphReport, path: Path, graph: Graph, session: Session, rng: np.random.Generator) -> None:
    """Other thread counts on the CPU; elsewhere which nodes did not run there, and what CUDA graphs replay."""
    provider = session.provider
    if provider == "cpu":
        report.broken += check_threads(path, graph, session, report)
    if runtime_name(provider) != runtime_name("cpu"):
        names = nodes_elsewhere(path, report.cases[0].inputs, provider)
        report.remarks += [f"{len(names)} nodes did not run on {provider}: {', '.join(names)}"] if names else []
    if provider == "cuda":
        drawn = {record.output: record.bound for record in report.records if record.kind == "drawn"}
        replay = check_replay(path, graph, session, drawn, rng)
        report.broken += replay.broken
        report.remarks += replay.remarks


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
