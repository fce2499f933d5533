"""Section of a card on the proof: how close the graphs come to their original."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zoo.cards.markdown import table
from zoo.manifest import Certificate


def worst_ratio(certificate: Certificate) -> float:
    """Largest observed error of any float output as a share of its bound."""
    records = (record for _, _, _, record in _records(certificate) if record["bound"] > 0)
    return max((record["error"] / record["bound"] for record in records), default=0.0)


def proof(certificate: Certificate) -> str:
    records = list(_records(certificate))
    rows = [
        (graph, f"`{output}`", kind, record["rows"], *(f"{record[name]:.2e}" for name in ("floor", "error", "bound")))
        for graph, output, kind, record in records
    ]
    parts = [
        f"Compared with the original in float64, the largest error of any output is {worst_ratio(certificate):.2f} of what "
        f"the rule allows: {certificate.factor} floors, a floor being what float32 costs the original itself on the same "
        f"kind of input. Real inputs: {certificate.inputs['real']}; drawn ones: {certificate.inputs['drawn']}.",
        table(("graph", "output", "inputs", "rows", "floor", "largest error", "bound"), rows),
        _ties(records),
        _loops(certificate),
        _metric(certificate),
        _opsets(certificate),
        _versions(certificate),
    ]
    return "\n\n".join(part for part in parts if part)


def _records(certificate: Certificate) -> Iterable[tuple[str, str, str, dict[str, Any]]]:
    for graph, outcome in certificate.graphs.items():
        for output, kinds in outcome["outputs"].items():
            for kind, record in kinds.items():
                yield graph, output, kind, record


def _loops(certificate: Certificate) -> str:
    """One sentence for each graph with loops: how they were proven, and how far a free run was compared."""
    sentences = []
    for graph, outcome in certificate.graphs.items():
        if "loops" in outcome:
            found = [record for kinds in outcome["loops"].values() for record in kinds.values()]
            worst = max((record["error"] / record["bound"] for record in found if record["bound"]), default=0.0)
            sentences.append(
                f"The loops of `{graph}` are proven step by step from the original's own states, {len(found)} comparisons, "
                f"the largest error {worst:.2f} of its bound."
            )
        if "horizon" in outcome:
            sentences.append(
                f"A free run of `{graph}` is compared over {outcome['horizon']} steps: from there on rounding alone moves "
                "the original's own run by more than 0.1 % of its spread."
            )
    return " ".join(sentences)


def _ties(records: list[tuple[str, str, str, dict[str, Any]]]) -> str:
    count = sum(record.get("ties", 0) for _, _, _, record in records)
    return f"{count:,} labels were ties within the original's own rounding and are not counted as errors." if count else ""


def _metric(certificate: Certificate) -> str:
    found = certificate.metric
    if not found:
        return ""
    return (
        f"{found['metric']} on {found['rows']:,} rows: original {found['reference']:.6g}, ONNX {found['found']:.6g}, "
        f"difference {found['difference']:.2g} (95 % interval {found['low']:.2g} to {found['high']:.2g})."
    )


def _opsets(certificate: Certificate) -> str:
    """One sentence for each verdict."""
    by_verdict: dict[tuple[str, str], list[str]] = {}
    for outcome in certificate.opsets:
        by_verdict.setdefault((outcome["graph"], outcome["what"]), []).append(str(outcome["opset"]))
    return " ".join(f"`{graph}` at opset {', '.join(opsets)}: {what}." for (graph, what), opsets in by_verdict.items())


def _versions(certificate: Certificate) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in sorted(certificate.versions.items()))
    return f"On {certificate.options['provider']} with {versions}."
