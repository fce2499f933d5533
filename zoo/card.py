"""Model cards and tables, generated from manifest and certificate: every figure in them comes from an artifact."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from zoo.hub import Artifact
from zoo.manifest import CARD, Certificate, Manifest
from zoo.spec import Port, describe


def write_card(artifact: Artifact) -> None:
    """Write `card.md` beside the manifest."""
    text = render_card(artifact)
    (artifact.folder / CARD).write_text(text, encoding="utf-8")


def render_card(artifact: Artifact) -> str:
    manifest, certificate = artifact.manifest, artifact.certificate
    sections = [
        f"# {manifest.model} v{manifest.version}",
        f"{manifest.summary}. Family `{manifest.family}` ({manifest.paper}), {manifest.parameters:,} parameters.",
        "## Results",
        _results(manifest),
        "## Ports",
        *(_ports(graph.name, graph.inputs, graph.outputs) for graph in manifest.graphs),
        "## Proof",
        _proof(certificate),
        "## Data",
        _data(manifest.data),
        "## Training",
        _training(manifest),
        *_pictures(artifact),
        "## Use",
        _use(manifest),
    ]
    return "\n\n".join(sections) + "\n"


def table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table."""
    names = list(header)
    lines = [names, ["---"] * len(names), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def models_table(artifacts: Iterable[Artifact]) -> str:
    """The table of all models: what they are, what they reach, how closely they were proven."""
    rows = []
    for artifact in artifacts:
        manifest = artifact.manifest
        graphs = ", ".join(graph.name for graph in manifest.graphs)
        size = sum((artifact.folder / graph.file).stat().st_size for graph in manifest.graphs)
        link = f"[{manifest.model}](zoo/artifacts/{manifest.model}/{CARD})"
        closest = f"{worst_ratio(artifact.certificate):.2f}"
        rows.append((link, manifest.summary, graphs, _metrics(manifest.metrics), f"{size / 1e3:,.0f} kB", closest))
    return table(("model", "what it is", "graphs", "test split", "ONNX", "error / bound"), rows)


def worst_ratio(certificate: Certificate) -> float:
    """Largest observed error of any float output as a share of its bound."""
    records = (record for _, _, _, record in _records(certificate) if record["bound"] > 0)
    return max((record["error"] / record["bound"] for record in records), default=0.0)


def _records(certificate: Certificate) -> Iterable[tuple[str, str, str, dict[str, Any]]]:
    for graph, outcome in certificate.graphs.items():
        for output, kinds in outcome["outputs"].items():
            for kind, record in kinds.items():
                yield graph, output, kind, record


def _metrics(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def _results(manifest: Manifest) -> str:
    training = manifest.training
    metric = training["metric"]
    tested = manifest.data["rows"]["test"]
    lines = [f"- {metric} {manifest.metrics[metric]:.4f} on the {tested:,} rows of the test split, scored once"]
    if metric == "accuracy":
        low, high = wilson_interval(manifest.metrics[metric], tested)
        lines[0] += f" (95 % interval {low:.4f} to {high:.4f})"
    lines.append(f"- {metric} {training['validation'][metric]:.4f} on the validation split")
    if training["seeds"]:
        scores = [seed["test"][metric] for seed in training["seeds"]]
        mean = sum(scores) / len(scores)
        each = ", ".join(f"{seed['seed']}: {seed['test'][metric]:.4f}" for seed in training["seeds"])
        lines.append(
            f"- test {metric} by seed: {each}; mean {mean:.4f}, spread {max(scores) - min(scores):.4f}. Published: seed "
            f"{training['seed']}, the best on the validation split"
        )
    if manifest.reference:
        published, what = manifest.reference.get(metric), manifest.reference.get("what", "")
        lines.append(f"- published figure beside it: {metric} {published} ({what})")
    return "\n".join(lines)


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953)."""
    z = 1.959964
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return centre - half, centre + half


def _ports(graph: str, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> str:
    rows = [
        (f"`{port.name}`", side, describe(port), port.doc, port.unit, _range(port))
        for side, ports in (("in", inputs), ("out", outputs))
        for port in ports
    ]
    return f"### {graph}\n\n" + table(("port", "", "type", "meaning", "unit", "range"), rows)


def _range(port: Port) -> str:
    if port.low is None and port.high is None:
        return ""
    return f"{'' if port.low is None else f'{port.low:g}'} to {'' if port.high is None else f'{port.high:g}'}"


def _proof(certificate: Certificate) -> str:
    rows = [
        (graph, f"`{output}`", kind, record["rows"], *(f"{record[name]:.2e}" for name in ("floor", "error", "bound")))
        for graph, output, kind, record in _records(certificate)
    ]
    versions = ", ".join(f"{name} {number}" for name, number in sorted(certificate.versions.items()))
    beyond = "".join(f"\n\n{part}" for part in (_metric(certificate), _twins(certificate), _opsets(certificate)) if part)
    return (
        table(("graph", "output", "inputs", "rows", "floor", "largest error", "bound"), rows)
        + f"\n\nThe floor is what float32 costs the original itself; the bound is {certificate.factor} floors. Real inputs: "
        f"{certificate.inputs['real']}. {certificate.options['provider']}; {versions}.{beyond}"
    )


def _metric(certificate: Certificate) -> str:
    found = certificate.metric
    if not found:
        return ""
    return (
        f"{found['metric']} on {found['rows']:,} rows: original {found['reference']:.6g}, ONNX {found['found']:.6g}, "
        f"difference {found['difference']:.2g} (95 % interval {found['low']:.2g} to {found['high']:.2g})."
    )


def _twins(certificate: Certificate) -> str:
    if not certificate.twins:
        return ""
    rows = []
    for name, twin in sorted(certificate.twins.items()):
        score = f"{twin['comparison']['found']:.4f}" if twin["comparison"] else ""
        rows.append((name, score, twin["why"], "ships" if twin["accepted"] else "refused"))
    return table(("twin", certificate.metric.get("metric", ""), "verdict", ""), rows)


def _opsets(certificate: Certificate) -> str:
    if not certificate.opsets:
        return ""
    rows = [(outcome["graph"], outcome["opset"], outcome["what"]) for outcome in certificate.opsets]
    return table(("graph", "exported at opset", "verdict"), rows)


def _data(data: dict[str, Any]) -> str:
    rows = ", ".join(f"{count:,} {split}" for split, count in data["rows"].items())
    note = f" {data['note']}" if data.get("note") else ""
    return f"{data['name']}: {data['source']}. Licence: {data['licence']}. Rows: {rows}.{note}"


def _training(manifest: Manifest) -> str:
    training = manifest.training
    epochs = len(training["curves"].get("epoch", []))
    length = f"{epochs} epochs, " if epochs else ""
    how = f"{length}{training['duration_s']:.0f} s on {training['hardware']}; seed {training['seed']}."
    return f"`{training['command']}`\n\n{how}"


def _pictures(artifact: Artifact) -> list[str]:
    pictures = sorted((artifact.folder / "pictures").glob("*.png"))
    if not pictures:
        return []
    return ["## Pictures", *(f"{path.stem.capitalize()}:\n\n![{path.stem}](pictures/{path.name})" for path in pictures)]


def _use(manifest: Manifest) -> str:
    name = manifest.model
    return f"""```sh
zoo predict {name} FILE
zoo serve {name}
zoo validate zoo/artifacts/{name}
```"""
