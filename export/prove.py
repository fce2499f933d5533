"""The proof of one graph: every case against its reference, then its invariances."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from export.channels import Channels
from export.compare import MAX_RELATIVE_FLOOR, OutputRecord, shortfalls, ulp32
from export.entries import align, float_entries, judge
from export.horizon import cut, horizons
from export.inputs import NATURAL_KINDS, Case, beyond, chained, make_cases, num_rows
from export.invariances import check_invariances
from export.lift import FileReference
from export.patterns import MAX_IDS, every_id, num_ids, patterned
from export.reference import EstimatorReference, TorchReference
from export.stepwise import Stage, Stepwise
from zoo.entries import entry_outputs
from zoo.errors import ParityError, PortError, UsageError
from zoo.free_run import free_run
from zoo.session import Session
from zoo.spec import Arrays, Graph, Port

MAX_ULPS = 64  # of the largest value: a floor below that is rounding
Records = dict[tuple[str, str], OutputRecord]
Reference = TorchReference | EstimatorReference | FileReference


@dataclass
class GraphReport:
    """What was found of one graph: a record of each output and kind of input, and the broken invariances.

    `loops` has a record for each value of the pieces that it was taken to because of its loops; `horizons` says by kind of
    input over how many steps a free run was compared.
    """

    graph: str
    records: list[OutputRecord]
    broken: list[str]
    real_rows: int
    remarks: list[str] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    loops: list[OutputRecord] = field(default_factory=list)
    horizons: dict[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        records = [*self.records, *self.loops]
        return bool(self.records) and all(record.passed for record in records) and not self.broken

    @property
    def horizon(self) -> int | None:
        """Steps that the bounds of a free run hold for; None for a graph without."""
        return self.horizons.get("real", self.horizons.get("drawn"))

    def bounds(self) -> dict[str, float]:
        """Bound of each output on real inputs, or on drawn ones where there are none."""
        by_kind = {(record.kind, record.output): record.bound for record in self.records}
        return {
            record.output: by_kind.get(("real", record.output), by_kind[("drawn", record.output)])
            for record in self.records
            if record.kind == "drawn"
        }


def prove(graph: Graph, session: Session, reference: Reference, samples: Arrays, rng: np.random.Generator) -> GraphReport:
    """Compare one graph with its reference on real and drawn cases, then prove its invariances."""
    cases = [
        *make_cases(graph, samples, rng),
        *chained(graph, reference.ref64, rng),
        *every_id(graph, rng),
        *patterned(graph, reference.ref64, rng),
    ]
    if not cases:
        raise ParityError(f"Graph {graph.name!r}: no inputs could be made; declare ranges for its ports.")
    loops, broken, remarks = _prove_loops(graph, session, reference, cases)
    reach = horizons(graph, reference, cases)
    if not all(reach.values()):
        short = [kind for kind, steps in reach.items() if not steps]
        broken += [f"{kind}: rounding alone parts a free run at its first step" for kind in short]
        return GraphReport(graph.name, [], broken, 0, remarks, cases, loops, reach)
    cases = [cut(graph, case, reach[case.kind]) if reach else case for case in cases]
    records = {(port.name, case.kind): _record(port, case.kind) for case in cases for port in graph.outputs}
    for case in reference.floor_cases(cases):
        _add_floors(graph, case, reference, records)
    for case in cases:
        found = _run(session, case, broken)
        if found is not None:
            _add_outputs(graph, case, found, reference, records)
    for record in records.values():
        if record.cases or not broken:
            record.close()
    if isinstance(reference, EstimatorReference):
        broken += _check_floors(graph, records)
    broken += _check_ranges(records)
    broken += _check_refusals(graph, rng)
    if not broken:
        broken += check_invariances(graph, session, cases, _bounds(records), rng)
    real_rows = sum(case.rows for case in cases if case.kind == "real")
    remarks += _unseen_ids(graph)
    return GraphReport(graph.name, list(records.values()), broken, real_rows, remarks, cases, loops, reach)


def sentences(report: GraphReport) -> list[str]:
    """Everything that did not hold; empty of a report that passed."""
    records = (*report.records, *report.loops)
    return [*report.broken, *(sentence for record in records for sentence in record.failures)]


def _record(port: Port, kind: str) -> OutputRecord:
    if port.low is None or port.high is None:
        return OutputRecord(port.name, kind)
    return OutputRecord(port.name, kind, max(abs(port.low), abs(port.high)), channels=Channels(one_scale=True))


def _prove_loops(
    graph: Graph, session: Session, reference: Reference, cases: list[Case]
) -> tuple[list[OutputRecord], list[str], list[str]]:
    """A record for each value of the pieces that the loops of the graph are taken to, what is broken, and remarks."""
    pieces = Stepwise(graph, session, reference)
    stages = list(pieces.stages(cases))
    records: Records = {}
    for stage in stages:
        for case in stage.cases:
            for port in stage.graph.outputs:
                records.setdefault((port.name, case.kind), _record(port, case.kind))
            _add_floors(stage.graph, case, stage.reference, records)
    broken = list(pieces.problems)
    for stage in stages:
        for case in stage.cases:
            found = _run(stage, case, broken)
            if found is not None:
                _add_outputs(stage.graph, case, found, stage.reference, records)
    unproven = pieces.loops and not stages and not broken
    sentence = f"{len(pieces.loops)} loops of the graph are compared as a whole only, not step by step"
    if unproven and free_run(graph):
        broken.append(sentence)
    return list(records.values()), broken, [sentence] if unproven else []


def _unseen_ids(graph: Graph) -> list[str]:
    """A remark for every port with too many ids for each to occur."""
    return [
        f"input {port.name!r} has {num_ids(port):,} ids, more than {MAX_IDS:,}: only some of them occurred"
        for port in graph.inputs
        if num_ids(port) > MAX_IDS
    ]


def _run(session: Session | Stage, case: Case, broken: list[str]) -> Arrays | None:
    try:
        return session.run(case) if isinstance(session, Stage) else session.run(case.inputs)
    except Exception as error:  # ONNX Runtime raises a type of its own for every status
        reason = str(error).strip().splitlines()[0][:200]
        broken.append(f"{case.kind}, {case.label}: the graph does not run ({reason})")
        return None


def _add_floors(graph: Graph, case: Case, reference: Reference, records: Records) -> None:
    unsteady, entries = reference.unsteady_rows(graph, case.inputs), entry_outputs(graph)
    for ref32, ref64 in reference.pairs(graph, case.inputs):
        _check_numbers(graph, case, ref64)
        aligned = align(graph, ref32, ref64, case.rows) if entries else None
        for port in graph.outputs:
            if not port.is_float:
                continue
            record = records[port.name, case.kind]
            if aligned and port.name in entries:
                record.add_floor(aligned.found[port.name], aligned.expected[port.name], np.zeros(len(aligned.owners), bool))
            else:
                record.add_floor(ref32[port.name], ref64[port.name], unsteady[: num_rows(ref64[port.name])])


def _check_numbers(graph: Graph, case: Case, ref64: Arrays) -> None:
    for port in graph.outputs:
        if port.is_float and case.kind in NATURAL_KINDS and np.isnan(ref64[port.name]).any():
            raise UsageError(
                f"The original itself gives NaN in output {port.name!r} of graph {graph.name!r} on {case.kind} "
                "inputs; declare the range of its ports, or mend the original."
            )


def _add_outputs(graph: Graph, case: Case, found: Arrays, reference: Reference, records: Records) -> None:
    ref64, unsteady = reference.ref64(graph, case.inputs), reference.unsteady_rows(graph, case.inputs)
    entries = entry_outputs(graph)
    if entries:
        _add_entries(graph, case, found, ref64, reference, records)
    for port in graph.outputs:
        record = records[port.name, case.kind]
        value, expected = found[port.name], ref64[port.name]
        if value.dtype.name != port.dtype:
            record.failures.append(f"{case.kind}, {case.label}: dtype {value.dtype.name} instead of {port.dtype}")
        elif port.name in entries:
            continue
        elif port.is_float:
            record.add_case(case.label, value, expected, unsteady)
        else:
            by_row = expected.ndim and len(expected) == len(unsteady)  # the pieces of a loop may have steps first
            jumping = unsteady.reshape(-1, *[1] * (expected.ndim - 1)) if by_row else unsteady.any()
            margin, bound = np.where(np.broadcast_to(jumping, expected.shape), 0.0, np.inf), 0.0
            if port.argmax_of is not None and value.shape == expected.shape:
                margin = np.where(jumping, 0.0, shortfalls(ref64[port.argmax_of], value))
                bound = records[port.argmax_of, case.kind].bound
            record.add_labels(case.label, value, expected, margin, bound)


def _add_entries(graph: Graph, case: Case, found: Arrays, ref64: Arrays, reference: Reference, records: Records) -> None:
    """Outputs whose size depends on the data."""
    bounds = {name: records[name, case.kind].bound for name in float_entries(graph)}
    strict = case.kind in NATURAL_KINDS  # elsewhere there may be thousands of ties
    judged = judge(graph, case.inputs, found, ref64, lambda inputs: reference.ref64(graph, inputs), bounds, strict=strict)
    for name in entry_outputs(graph):
        records[name, case.kind].add_entries(case.label, judged)


def _check_refusals(graph: Graph, rng: np.random.Generator) -> list[str]:
    """What is one past its declaration must be refused by the port check, before the graph runs."""
    broken = []
    for what, inputs in beyond(graph, rng):
        try:
            graph.check(inputs)
        except PortError:
            continue
        broken.append(f"the port check lets {what}")
    return broken


def _check_floors(graph: Graph, records: Records) -> list[str]:
    """A floor that comes from a conversion could hide the converter's own fault: it must be small.

    Where the output hardly varies (all rows in one leaf, say), rounding is all there is: some ulps are.
    """
    broken = []
    for record in records.values():
        port = next(port for port in graph.outputs if port.name == record.output)
        spread = record.high - record.low
        if port.is_float and record.floor > max(MAX_RELATIVE_FLOOR * spread, MAX_ULPS * record.ulp):
            broken.append(
                f"{record.kind}: float32 moves output {record.output!r} by {record.floor:.3g}, more than "
                f"{MAX_RELATIVE_FLOOR:g} of its spread {spread:.3g}; compute it in float64 inside the graph"
            )
    return broken


def _check_ranges(records: Records) -> list[str]:
    """A bound as wide as the output itself lets any answer pass; rounding alone may be as wide where nothing varies."""
    return [
        f"{record.kind}: bound {record.bound:.3g} covers the whole range of output {record.output!r} "
        f"({record.high - record.low:.3g}): nothing was compared"
        for record in records.values()
        if record.kind in NATURAL_KINDS
        and 0 < record.high - record.low <= record.bound
        and record.floor > MAX_ULPS * ulp32(record.largest)
    ]


def _bounds(records: Records) -> dict[tuple[str, str], float]:
    return {key: record.bound for key, record in records.items()}
