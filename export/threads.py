"""Thread counts: a service gives each worker few threads, a validation takes all, and both must answer alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from export.compare import distance, shortfalls
from export.entries import differences, float_entries
from export.inputs import Case
from export.prove import GraphReport
from zoo.entries import entry_outputs
from zoo.session import Session
from zoo.spec import Arrays, Graph

THREADS = (1, 2)  # the service's default, and the first count at which sums are split


def check_threads(path: Path, graph: Graph, session: Session, report: GraphReport) -> list[str]:
    """Sentences for outputs that leave their bound at another number of threads, on the largest case of each kind."""
    bounds = {(record.kind, record.output): record.bound for record in report.records}
    largest: dict[str, Case] = {}
    for case in report.cases:
        if case.kind not in largest or case.extent > largest[case.kind].extent:
            largest[case.kind] = case
    expected = {kind: session.run(case.inputs) for kind, case in largest.items()}
    broken = []
    for count in THREADS:
        answers = _answers(path, graph, count, largest)
        for kind, case in largest.items():
            own = {port.name: bounds[kind, port.name] for port in graph.outputs}
            found = answers[kind]
            broken += [
                f"{kind}: {count} threads change output {name!r}" for name in _changed(graph, found, expected[kind], own)
            ]
            floats = {name: own[name] for name in float_entries(graph)}
            apart = differences(graph, case.inputs, found, expected[kind], session.run, floats)
            broken += [f"{kind}: {count} threads change the answer: {sentence}" for sentence in apart]
    return broken


def _answers(path: Path, graph: Graph, threads: int, cases: dict[str, Case]) -> dict[str, Arrays]:
    """Outputs of each case; the session, with its copy of the weights, ends here."""
    session = Session(path, graph, threads=threads)
    return {name: session.run(case.inputs) for name, case in cases.items()}


def _changed(graph: Graph, found: Arrays, expected: Arrays, bounds: dict[str, float]) -> Iterator[str]:
    """Outputs beyond their bound, but those whose size depends on the data; a label may be another one where scores tie."""
    entries = entry_outputs(graph)
    for port in (port for port in graph.outputs if port.name not in entries):
        value, right = found[port.name], expected[port.name]
        if port.argmax_of is not None and value.shape == right.shape:
            same = bool((shortfalls(expected[port.argmax_of], value) <= bounds[port.argmax_of])[value != right].all())
        elif port.is_float and value.shape == right.shape:
            same = distance(value, right) <= bounds[port.name]
        else:
            same = np.array_equal(value, right)
        if not same:
            yield port.name
