"""A report as a person reads it, and as JSON."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from rich.console import Console
from rich.table import Table

from export.compare import OutputRecord
from export.prove import GraphReport
from export.validate import Report

_FIGURES = ("cases", "rows", "floor", "error", "bound", "ties")


def print_report(report: Report, command: str) -> None:
    """A table of every output, the sentences of what was found, and a last line that says PASSED or FAILED."""
    console = Console()
    console.width = max(console.width, 130)
    console.print(_table(report))
    for sentence in (*findings(report), *failures(report)):
        print(f"  {sentence}")
    print(f"{'PASSED' if report.passed else 'FAILED'} in {report.seconds:.1f} s  {command}")


def _table(report: Report) -> Table:
    table = Table(title=f"{report.subject}, real inputs: {report.samples}")
    for column in ("graph", "output", "inputs", *_FIGURES, "largest error in", ""):
        table.add_column(column, justify="right" if column in _FIGURES else "left")
    for graph in report.graphs:
        for record in graph.records:
            figures = (f"{value:.2e}" for value in (record.floor, record.error, record.bound))
            verdict = "ok" if record.passed else "FAILED"
            cells = (str(record.cases), str(record.rows), *figures, str(record.ties), worst_place(record), verdict)
            table.add_row(graph.graph, record.output, record.kind, *cells)
    return table


def findings(report: Report) -> list[str]:
    """Sentences for what was measured beyond parity: metric, twins, opsets, and inputs that exercise too little."""
    sentences = []
    if report.metric:
        found = report.metric
        sentences.append(
            f"{found.metric} on {found.rows:,} rows: original {found.reference:.6g}, ONNX {found.found:.6g}, difference "
            f"{found.difference:.2g} (95 % {found.low:.2g} to {found.high:.2g})"
        )
    for twin in report.twins:
        sentences.append(f"twin {twin.variant} {'accepted' if twin.accepted else 'REFUSED'}: {twin.why}")
    for outcome in report.opsets:
        sentences.append(f"opset {outcome.opset}, graph {outcome.graph}: {outcome.what}")
    for graph in report.graphs:
        differing = [sentence for record in graph.records for sentence in disagreements(record)]
        sentences += [f"graph {graph.graph}, {remark}" for remark in (*stepwise(graph), *graph.remarks, *differing)]
    return sentences


def stepwise(graph: GraphReport) -> list[str]:
    """How far a free run was compared, and how close the loops came step by step; nothing of a graph without."""
    sentences = []
    if graph.horizons:
        steps = ", ".join(f"{steps} on {kind} inputs" for kind, steps in graph.horizons.items())
        sentences.append(f"steps of a free run that were compared, before rounding alone parts it: {steps}")
    if graph.loops:
        worst = max((record.error / record.bound for record in graph.loops if record.bound), default=0.0)
        sentences.append(
            f"loops step by step from the original's own states: {len(graph.loops)} comparisons of "
            f"{sum(record.cases for record in graph.loops):,} cases, the largest error {worst:.2f} of its bound"
        )
    return sentences


def worst_place(record: OutputRecord) -> str:
    """Sizes and row of the largest error; of labels, of the first that differs; a dash where nothing did."""
    if record.worst_row is not None:
        return f"{record.worst}, row {record.worst_row}"
    if record.disagreements:
        first = record.disagreements[0]
        return f"{first.case}, row {first.row}"
    return "–"


def disagreements(record: OutputRecord) -> list[str]:
    """A sentence for each label that differs, as far as the record lists them."""
    return [
        f"{record.output} on {record.kind} inputs, {each.case}, row {each.row}: {each.found:g} instead of "
        f"{each.expected:g}, margin {each.margin:.3g}{', a tie' if each.tie else ''}"
        for each in record.disagreements
    ]


def failures(report: Report) -> list[str]:
    """A sentence for everything that did not hold."""
    sentences = list(report.problems)
    if not report.graphs and not report.problems:
        sentences.append("nothing was compared")
    for graph in report.graphs:
        sentences += [f"graph {graph.graph}: {sentence}" for sentence in graph.broken]
        for record in (*graph.records, *graph.loops):
            sentences += [f"graph {graph.graph}, output {record.output}: {sentence}" for sentence in record.failures]
    return sentences


def report_json(report: Report) -> dict[str, Any]:
    """Everything in the report but the inputs themselves; numbers that JSON has no word for are null."""
    return _finite(
        {
            "subject": report.subject,
            "passed": report.passed,
            "samples": report.samples,
            "seed": report.seed,
            "depth": report.depth,
            "seconds": report.seconds,
            "options": report.options,
            "failures": failures(report),
            "findings": findings(report),
            "metric": dataclasses.asdict(report.metric) if report.metric else None,
            "twins": [dataclasses.asdict(twin) for twin in report.twins],
            "opsets": [dataclasses.asdict(outcome) for outcome in report.opsets],
            "graphs": {graph.graph: [_record(record) for record in graph.records] for graph in report.graphs},
            "loops": {graph.graph: [_record(record) for record in graph.loops] for graph in report.graphs if graph.loops},
            "horizons": {graph.graph: graph.horizons for graph in report.graphs if graph.horizons},
        }
    )


def _record(record: OutputRecord) -> dict[str, Any]:
    fields = {field.name: getattr(record, field.name) for field in dataclasses.fields(record) if field.name != "channels"}
    fields["disagreements"] = [dataclasses.asdict(each) for each in record.disagreements]
    return {**fields, "bound": record.bound, "mixes_scales": record.channels.mixed}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
