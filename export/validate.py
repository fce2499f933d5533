"""The validation stage: an artifact's shipped files against the untouched original.

Everything is opened from the artifact: the graphs through `zoo.session`, as prediction and the service open them, and
the original from its checkpoint, in this process, which has not exported anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from export.compare import MAX_RELATIVE_FLOOR, OutputRecord, distance, margins
from export.inputs import Case, draw, make_cases
from export.reference import EstimatorReference, Reference, load_reference
from zoo.errors import ArtifactError, ParityError, SpecError
from zoo.hub import GOLDEN, ORIGINAL
from zoo.manifest import CERTIFICATE, Certificate, Manifest, verify
from zoo.run import EVALUATION, graph_inputs, load_arrays
from zoo.session import Session
from zoo.spec import Arrays, Graph

PADDING_STEPS = (1, 5)
Records = dict[tuple[str, str], OutputRecord]


@dataclass
class GraphReport:
    """What was found of one graph: a record for each output and kind of input, and the broken invariances."""

    graph: str
    records: list[OutputRecord]
    broken: list[str]
    real_rows: int

    @property
    def passed(self) -> bool:
        return bool(self.records) and all(record.passed for record in self.records) and not self.broken

    def bounds(self) -> dict[str, float]:
        """Bound of each output on real inputs, or on drawn ones where there are none."""
        bounds: dict[str, float] = {}
        for record in sorted(self.records, key=lambda record: record.kind):
            bounds[record.output] = record.bound
        return bounds


@dataclass
class Report:
    """What was found of an artifact. `samples` says where the real inputs came from."""

    manifest: Manifest
    folder: Path
    samples: str
    seed: int
    provider: str
    graphs: list[GraphReport] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.problems and bool(self.graphs) and all(graph.passed for graph in self.graphs)


def validate(folder: Path, *, run: Path | None = None, seed: int = 0, provider: str = "cpu") -> Report:
    """Prove every graph of the artifact in `folder`; the report says what failed.

    Real inputs are the test split of `run`, or the artifact's golden samples. Raises ArtifactError and CheckpointError
    where the artifact cannot be opened, ParityError where nothing would be compared.
    """
    manifest = Manifest.read(folder)
    samples = load_arrays(run / EVALUATION if run else folder / GOLDEN)
    source = f"test split of {run}" if run else f"golden samples of {folder.name}"
    report = Report(manifest, folder, source, seed, provider)
    if (folder / CERTIFICATE).exists():
        try:
            verify(folder, Certificate.read(folder))
        except ArtifactError as error:
            report.problems.append(str(error))
            return report
    reference = load_reference(folder / ORIGINAL)
    _check_declaration(manifest, reference)
    for number, graph in enumerate(manifest.graphs):
        rng = np.random.default_rng([seed, number])
        try:
            session = Session(folder / graph.file, graph, provider=provider)
            report.options = session.options()
            report.graphs.append(prove(graph, session, reference, graph_inputs(samples, graph), rng))
        except (SpecError, ArtifactError) as error:
            report.problems.append(f"graph {graph.name}: {error}")
    if not run and not report.problems:
        report.problems += _check_golden(manifest, samples, reference, report.graphs)
    return report


def prove(graph: Graph, session: Session, reference: Reference, samples: Arrays, rng: np.random.Generator) -> GraphReport:
    """Compare one graph with its reference on real and drawn cases, then prove its invariances."""
    cases = make_cases(graph, samples, rng)
    if not cases:
        raise ParityError(f"Graph {graph.name!r}: no inputs could be made; declare ranges for its ports.")
    records = {(port.name, case.kind): OutputRecord(port.name, case.kind) for case in cases for port in graph.outputs}
    for case in reference.floor_cases(cases):
        _add_floors(graph, case, reference, records)
    broken: list[str] = []
    for case in cases:
        found = _run(session, case, broken)
        if found is not None:
            _add_outputs(graph, case, found, reference, records)
    for record in records.values():
        if record.cases or not broken:
            record.close()
    if isinstance(reference, EstimatorReference):
        broken += _check_floors(graph, records)
    if not broken:
        broken += check_invariances(graph, session, cases, _bounds(records), rng)
    real_rows = sum(case.rows for case in cases if case.kind == "real")
    return GraphReport(graph.name, list(records.values()), broken, real_rows)


def check_invariances(
    graph: Graph, session: Session, cases: list[Case], bounds: dict[tuple[str, str], float], rng: np.random.Generator
) -> list[str]:
    """Sentences for every invariance that does not hold: repeated = first, alone = in a batch, padded = unpadded."""
    broken = []
    for kind in dict.fromkeys(case.kind for case in cases):
        of_kind = [case for case in cases if case.kind == kind]
        case = max(of_kind, key=lambda each: each.rows)
        first = session.run(case.inputs)
        again = session.run(case.inputs)
        for port in graph.outputs:
            if not np.array_equal(first[port.name], again[port.name], equal_nan=port.is_float):
                broken.append(f"{kind}: output {port.name!r} differs between two equal calls")
        if graph.batch is not None:
            broken += _check_alone(graph, session, case, first, bounds)
            broken += _check_padding(graph, session, case, first, bounds, rng)
    return broken


def _run(session: Session, case: Case, broken: list[str]) -> Arrays | None:
    try:
        return session.run(case.inputs)
    except Exception as error:  # ONNX Runtime raises a type of its own for every status
        reason = str(error).strip().splitlines()[0][:200]
        broken.append(f"{case.kind}, {case.label}: the graph does not run ({reason})")
        return None


def _add_floors(graph: Graph, case: Case, reference: Reference, records: Records) -> None:
    unsteady = reference.unsteady_rows(graph, case.inputs)
    for ref32, ref64 in reference.pairs(graph, case.inputs):
        for port in graph.outputs:
            if port.is_float:
                record = records[port.name, case.kind]
                record.add_floor(ref32[port.name], ref64[port.name], unsteady[: len(ref64[port.name])])


def _add_outputs(graph: Graph, case: Case, found: Arrays, reference: Reference, records: Records) -> None:
    ref64, unsteady = reference.ref64(graph, case.inputs), reference.unsteady_rows(graph, case.inputs)
    for port in graph.outputs:
        record = records[port.name, case.kind]
        value, expected = found[port.name], ref64[port.name]
        if value.dtype.name != port.dtype:
            record.failures.append(f"{case.kind}, {case.label}: dtype {value.dtype.name} instead of {port.dtype}")
        elif port.is_float:
            record.add_case(case.label, value, expected, unsteady)
        else:
            margin, bound = np.where(unsteady, 0.0, np.inf), 0.0
            if port.argmax_of is not None:
                margin = np.where(unsteady, 0.0, margins(ref64[port.argmax_of]))
                bound = records[port.argmax_of, case.kind].bound
            record.add_labels(case.label, value, expected, margin, bound)


def _check_floors(graph: Graph, records: Records) -> list[str]:
    """A floor that comes from a conversion could hide the converter's own fault: it must be small."""
    broken = []
    for record in records.values():
        port = next(port for port in graph.outputs if port.name == record.output)
        spread = record.high - record.low
        if port.is_float and record.floor > max(MAX_RELATIVE_FLOOR * spread, np.spacing(np.float32(record.largest))):
            broken.append(
                f"{record.kind}: float32 moves output {record.output!r} by {record.floor:.3g}, more than "
                f"{MAX_RELATIVE_FLOOR:g} of its spread {spread:.3g}; compute it in float64 inside the graph"
            )
    return broken


def _bounds(records: Records) -> dict[tuple[str, str], float]:
    return {key: record.bound for key, record in records.items()}


def _check_alone(
    graph: Graph, session: Session, case: Case, together: Arrays, bounds: dict[tuple[str, str], float]
) -> list[str]:
    """Rows of a batch, each run alone, against the same rows of the whole."""
    broken = []
    rows = case.rows
    for row in {0, rows // 2, rows - 1}:
        alone = session.run({name: array[row : row + 1] for name, array in case.inputs.items()})
        broken += _compare_rows(graph, case, alone, {name: a[row : row + 1] for name, a in together.items()}, bounds,
                                f"row {row} alone differs from the same row in a batch of {rows}")  # fmt: skip
    return broken


def _check_padding(
    graph: Graph,
    session: Session,
    case: Case,
    plain: Arrays,
    bounds: dict[tuple[str, str], float],
    rng: np.random.Generator,
) -> list[str]:
    """The padded axes made longer, and everything beyond each row's length replaced by drawn values."""
    broken: list[str] = []
    for axis in (graph.axis(name) for name in graph.free_axes):
        if not axis.padded:
            continue
        size = case.sizes[axis.name]
        for steps in PADDING_STEPS:
            longer = size if axis.high is not None and size + steps > axis.high else size + steps
            padded = _pad(graph, case, axis.name, longer, rng)
            what = f"other padding along {axis.name!r}, {size} to {longer} steps, changes the answer"
            broken += _compare_rows(graph, case, session.run(padded), plain, bounds, what)
    return broken


def _pad(graph: Graph, case: Case, axis: str, longer: int, rng: np.random.Generator) -> Arrays:
    length = next(case.inputs[port.name] for port in graph.inputs if port.axis == axis)
    other = draw(graph, {**case.sizes, axis: longer}, rng)
    padded = {}
    for port in graph.inputs:
        array = case.inputs[port.name]
        if axis not in port.shape:
            padded[port.name] = array
            continue
        along = port.shape.index(axis)
        filled = other[port.name].copy()
        for row, count in enumerate(length):
            valid: list[Any] = [row, *[slice(None)] * (filled.ndim - 1)]
            valid[along] = slice(0, int(count))
            filled[tuple(valid)] = array[tuple(valid)]
        padded[port.name] = filled
    return padded


def _compare_rows(
    graph: Graph, case: Case, found: Arrays, expected: Arrays, bounds: dict[tuple[str, str], float], what: str
) -> list[str]:
    broken = []
    for port in graph.outputs:
        if port.is_float and port.shape[:1] == (graph.batch,):
            error, bound = distance(found[port.name], expected[port.name]), bounds[port.name, case.kind]
            if not error <= bound:
                broken.append(f"{case.kind}: {what}: output {port.name!r} by {error:.3g}, bound {bound:.3g}")
    return broken


def _check_declaration(manifest: Manifest, reference: Reference) -> None:
    """The manifest's graphs must be those that the family declares for the original's configuration."""
    if manifest.graphs != reference.original.graphs:
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
