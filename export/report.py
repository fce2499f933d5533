"""A report as a person reads it, and as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from rich.console import Console
from rich.table import Table

from export.validate import Report


def print_report(report: Report, command: str) -> None:
    """A table of every output, the sentences of what failed, and a last line that says PASSED or FAILED."""
    console = Console()
    console.width = max(console.width, 110)
    table = Table(title=f"{report.manifest.model} v{report.manifest.version}, real inputs: {report.samples}")
    for column in ("graph", "output", "inputs", "cases", "rows", "floor", "error", "bound", "ties", ""):
        table.add_column(
            column, justify="right" if column in ("cases", "rows", "floor", "error", "bound", "ties") else "left"
        )
    for graph in report.graphs:
        for record in graph.records:
            figures = (f"{value:.2e}" for value in (record.floor, record.error, record.bound))
            cells = (str(record.cases), str(record.rows), *figures, str(record.ties), "ok" if record.passed else "FAILED")
            table.add_row(graph.graph, record.output, record.kind, *cells)
    console.print(table)
    for sentence in failures(report):
        print(f"  {sentence}")
    print(f"{'PASSED' if report.passed else 'FAILED'}  {command}")


def failures(report: Report) -> list[str]:
    """A sentence for everything that did not hold."""
    sentences = list(report.problems)
    for graph in report.graphs:
        sentences += [f"graph {graph.graph}: {sentence}" for sentence in graph.broken]
        for record in graph.records:
            sentences += [f"graph {graph.graph}, output {record.output}: {sentence}" for sentence in record.failures]
    return sentences


def report_json(report: Report) -> dict[str, Any]:
    return {
        "model": report.manifest.model,
        "version": report.manifest.version,
        "passed": report.passed,
        "samples": report.samples,
        "seed": report.seed,
        "options": report.options,
        "failures": failures(report),
        "graphs": {
            graph.graph: [{**dataclasses.asdict(record), "bound": record.bound} for record in graph.records]
            for graph in report.graphs
        },
    }
