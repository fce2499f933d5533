"""A report as one HTML page that needs nothing else: no script, no request, readable on a phone and in the dark.

What did not hold comes first: its sentences, then failed graphs before others, and in each graph failed outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from export.annotations import short_failures
from export.compare import OutputRecord
from export.inputs import Case
from export.plots import nearest_first, pictures, ratio_histogram, strip_plot
from export.prove import GraphReport
from export.report import disagreements, failures, stepwise, worst_place
from export.validate import Report

OPEN_FAILURES = 20  # sentences that are shown before a fold
PICTURES = 6  # rows of a case
PICTURED_CASES = 4  # of a graph
FIGURES = ("cases", "rows", "floor", "error", "bound", "ties")

Cell = tuple[str, str]  # text, and the class of its style

STYLE = """
:root { color-scheme: light dark; --text: #1c2126; --muted: #5c6670; --page: #f6f7f8; --card: #fff; --line: #d9dee3;
  --good: #1a7f45; --bad: #c4302b; --point: #2f6fb7; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e7ea; --muted: #98a3ad; --page: #14181c; --card: #1d2328;
  --line: #343c44; --good: #4cc27d; --bad: #ff7b72; --point: #6ea8e8; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
main { max-width: 66rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 0 0 .75rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; } h4 { font-size: .9rem; font-weight: 500; margin: .75rem 0 .25rem; }
section, header { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem;
  margin-bottom: 1rem; }
header { border-left: .5rem solid var(--good); }
header.failed { border-left-color: var(--bad); }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .5rem 1rem; margin: 0; }
dt, figcaption, .note { color: var(--muted); font-size: .85rem; } dd { margin: 0; } .wide { grid-column: 1 / -1; }
code { font: .85rem/1.5 ui-monospace, monospace; white-space: pre-wrap; }
summary { margin-top: .5rem; cursor: pointer; }
ul { margin: 0; padding-left: 1.25rem; } li { margin: .25rem 0; white-space: pre-line; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
th { text-align: left; color: var(--muted); font-weight: 500; } th, td { padding: .3rem .5rem; vertical-align: top; }
tbody tr { border-top: 1px solid var(--line); } th, .short, .figure { white-space: nowrap; } .figure { text-align: right; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem;
  margin-top: 1rem; }
figure { margin: 0; max-width: 28rem; } svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--muted); font: 13px system-ui, sans-serif; }
svg text { stroke: var(--card); stroke-width: 3px; paint-order: stroke; }
svg text.bad, svg text.bound { fill: var(--bad); }
svg text.floor { fill: var(--good); } line.floor { stroke: var(--good); } line.bound { stroke: var(--bad); }
line.axis, line.grid { stroke: var(--line); } line.floor, line.bound { stroke-dasharray: 4 3; }
.point, .bar { fill: var(--point); } .point { fill-opacity: .75; } .point.bad, .bar.bad { fill: var(--bad); }
.pictures { display: flex; flex-wrap: wrap; gap: .4rem; margin: .25rem 0; }
.pictures img { width: 96px; height: 96px; object-fit: contain; image-rendering: pixelated; border: 1px solid var(--line); }
@media (max-width: 44rem) {
  thead { position: absolute; clip-path: inset(50%); }
  tr { display: grid; grid-template-columns: repeat(4, 1fr); padding: .4rem 0; }
  td { display: block; padding: .15rem .25rem .15rem 0; white-space: normal; font-size: .8rem; }
  td.figure { text-align: left; }
  td::before { content: attr(data-label); display: block; color: var(--muted); font-size: .75rem; font-weight: 400; }
  td:first-child, td.sentence { grid-column: 1 / -1; } td:first-child { font-size: .95rem; font-weight: 600; }
  td:first-child::before { content: none; }
}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render_html(report: Report, command: str) -> str:
    """The whole page; `command` is the command line that makes the report again."""
    graphs = sorted(report.graphs, key=lambda graph: graph.passed)
    parts = [
        _headline(report, command),
        _failures(report),
        *map(_graph, graphs),
        _metric(report),
        _twins(report),
        _opsets(report),
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><link rel="icon" href="data:,">'
        f"<title>{_verdict(report)} {_text(report.subject)}</title><style>{STYLE}</style>"
    )
    page = f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>\n{_lines(parts)}\n</main></body></html>\n'
    return page.encode("utf-8", "replace").decode()


def _verdict(report: Report) -> str:
    return "PASSED" if report.passed else "FAILED"


def _headline(report: Report, command: str) -> str:
    facts = [
        ("real inputs", report.samples),
        ("seed", str(report.seed)),
        ("provider", report.provider),
        ("depth", report.depth),
        ("time", f"{report.seconds:.1f} s"),
    ]
    facts += [(name.replace("_", " "), str(value)) for name, value in report.options.items() if value and name != "provider"]
    listed = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in facts)
    again = f'<div class="wide"><dt>again</dt><dd><code>{_text(command)}</code></dd></div>'
    kind, mark = ("good", "✓") if report.passed else ("bad", "✗")
    title = f'<h1><span class="{kind}">{mark} {_verdict(report)}</span> {_text(report.subject)}</h1>'
    return f'<header class="{"passed" if report.passed else "failed"}">{title}<dl>{listed}{again}</dl></header>'


def _failures(report: Report) -> str:
    if report.passed:
        return ""
    short, whole = short_failures(report)[:OPEN_FAILURES], failures(report)
    fold = f"<details><summary>all {len(whole)}, case by case</summary>{_list(whole)}</details>"
    return _section("What did not hold", _list(short) + (fold if len(whole) > len(short) else ""))


def _graph(graph: GraphReport) -> str:
    kind, verdict = ("good", "proven") if graph.passed else ("bad", "FAILED")
    rows = f'<p class="note">{graph.real_rows:,} real rows</p>'
    columns = ("output", "inputs", *FIGURES, "largest error in", "verdict")
    table = _table(columns, [_record(record) for record in sorted(graph.records, key=lambda record: record.passed)])
    plots = strip_plot(graph.records) + ratio_histogram(graph.records)
    said = [*stepwise(graph), *graph.remarks]
    remarks = f"<h3>Remarks</h3>{_list(said)}" if said else ""
    differing = [sentence for record in graph.records for sentence in disagreements(record)]
    labels = f"<h3>Labels that differ</h3>{_list(differing)}" if differing else ""
    body = rows + table + (f'<div class="plots">{plots}</div>' if plots else "") + remarks + labels + _worst_inputs(graph)
    return _section(f"Graph {graph.graph}: ", body, f'<span class="{kind}">{verdict}</span>')


def _record(record: OutputRecord) -> list[Cell]:
    exact = not record.errors and not record.floor  # labels: equal or not
    measured = ("equal", "–", "–") if exact else tuple(f"{each:.2e}" for each in (record.floor, record.error, record.bound))
    if exact and not record.passed:
        measured = ("–", "–", "–")
    figures = (f"{record.cases:,}", f"{record.rows:,}", *measured, f"{record.ties:,}")
    verdict = ("ok", "good short") if record.passed else ("FAILED", "bad short")
    cells = [*((figure, "figure") for figure in figures), (worst_place(record), "sentence")]
    return [(record.output, ""), (record.kind, "short"), *cells, verdict]


def _worst_inputs(graph: GraphReport) -> str:
    """The inputs of the cases that came nearest to their bound, where they are pictures; each case once."""
    drawn: list[str] = []
    seen: set[int] = set()
    for record in nearest_first(graph.records):
        case = _worst_case(record, graph.cases)
        if case is None or id(case) in seen or len(drawn) == PICTURED_CASES:
            continue
        seen.add(id(case))
        if shown := [_pictured(name, array, record.worst_row) for name, array in case.inputs.items() if pictures(array, 1)]:
            what = f"{record.output} on {record.kind} inputs, {worst_place(record)}"
            drawn.append(f"<h4>{_text(what)}: off by {record.error:.2e}, bound {record.bound:.2e}</h4>{_lines(shown)}")
    return f"<h3>Inputs of the largest errors</h3>{_lines(drawn)}" if drawn else ""


def _worst_case(record: OutputRecord, cases: Sequence[Case]) -> Case | None:
    """By its place among the cases of its kind where all were compared, as sizes do not tell two apart; else by label."""
    same = [case for case in cases if case.kind == record.kind]
    if len(same) == len(record.errors):
        places = [n for n, (label, error) in enumerate(record.errors) if label == record.worst and not error < record.error]
        return same[places[0]] if places else None
    return next((case for case in same if case.label == record.worst), None)


def _pictured(name: str, array: np.ndarray, worst: int | None) -> str:
    """The row of the largest error first, then the others in order."""
    order = sorted(range(len(array)), key=lambda row: row != worst)[:PICTURES]
    urls = pictures(array[order], PICTURES)
    drawn = zip(order, urls, strict=True)
    images = "".join(f'<img alt="row {row} of {_text(name)}" src="{url}">' for row, url in drawn)
    note = f"input {name}, {len(urls)} of {len(array)} rows, row {order[0]} first, {array.min():.3g} to {array.max():.3g}"
    return f'<div class="pictures">{images}</div><p class="note">{_text(note)}</p>'


def _metric(report: Report) -> str:
    found = report.metric
    if found is None:
        return ""
    figures = (f"{found.rows:,}", *(f"{each:.6g}" for each in (found.reference, found.found)), f"{found.difference:.2g}")
    row = [(found.metric, ""), *((figure, "figure") for figure in figures), (_interval(found.low, found.high), "figure")]
    columns = ("metric", "rows", "original", "ONNX", "difference", "95 % interval")
    return _section("Task metric", _table(columns, [row], columns[1:]))


def _twins(report: Report) -> str:
    rows = []
    for twin in report.twins:
        found = twin.comparison
        figures = (f"{found.found:.6g}", _interval(found.low, found.high)) if found else ("–", "–")
        verdict = ("accepted", "good short") if twin.accepted else ("REFUSED", "bad short")
        rows.append([(twin.variant, "short"), verdict, *((figure, "figure") for figure in figures), (twin.why, "sentence")])
    columns = ("twin", "verdict", "metric", "95 % of difference", "why")
    return _section("Twins", _table(columns, rows, columns[2:4])) if rows else ""


def _opsets(report: Report) -> str:
    """A row a graph, a column an opset."""
    if not report.opsets:
        return ""
    found = {(outcome.graph, outcome.opset): outcome for outcome in report.opsets}
    opsets = sorted({opset for _, opset in found})
    rows = []
    for graph in dict.fromkeys(outcome.graph for outcome in report.opsets):
        outcomes = [found.get((graph, opset)) for opset in opsets]
        cells = [(each.what, "good" if each.passed else "bad sentence") if each else ("–", "") for each in outcomes]
        rows.append([(graph, ""), *cells])
    return _section("Opsets", _table(("graph", *(f"opset {opset}" for opset in opsets)), rows))


def _interval(low: float, high: float) -> str:
    return f"{low:.2g} to {high:.2g}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], figures: Sequence[str] = FIGURES) -> str:
    head = "".join(f"<th{_class('figure' if name in figures else '')}>{_text(name)}</th>" for name in columns)
    body = [
        "".join(f'<td{_class(kind)} data-label="{_text(name)}">{_text(text)}</td>' for name, (text, kind) in cells)
        for cells in (zip(columns, row, strict=True) for row in rows)
    ]
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in body)}</tbody></table>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _list(sentences: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{_text(sentence)}</li>' for sentence in sentences)}</ul>"


def _section(title: str, body: str, mark: str = "") -> str:
    return f"<section><h2>{_text(title)}{mark}</h2>{body}</section>"


def _lines(parts: Sequence[str]) -> str:
    return "\n".join(filter(None, parts))


def _text(text: str) -> str:
    return escape(text, quote=True)
