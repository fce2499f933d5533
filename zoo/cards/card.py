"""The card of a model, and the table of all models. Every figure comes from an artifact or from what was measured of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from zoo.cards.cost import graph_bytes, sizes, speed
from zoo.cards.diagrams import boxes, flowchart
from zoo.cards.family import family_text
from zoo.cards.markdown import fence, table
from zoo.cards.measured import FOLDER, measured
from zoo.cards.ports import HEADER, port_rows
from zoo.cards.proof import proof, worst_ratio
from zoo.cards.results import confusion, headline, results
from zoo.cards.scope import scope
from zoo.cards.training import data, training
from zoo.cards.usage import usage
from zoo.codecs import make_codec
from zoo.hub import Artifact
from zoo.manifest import CARD, Manifest
from zoo.run import FILES


def write_card(artifact: Artifact) -> None:
    """Write `card.md` beside the manifest."""
    (artifact.folder / CARD).write_text(render_card(artifact), encoding="utf-8")


def render_card(artifact: Artifact, folder: Path = FOLDER) -> str:
    """The card as Markdown; `folder` holds the measurements."""
    manifest, certificate = artifact.manifest, artifact.certificate
    evaluation, inference = measured(artifact, "evaluation", folder), measured(artifact, "inference", folder)
    codec = make_codec(manifest.task, manifest.codec, artifact.folder / FILES)
    sections = [
        f"# {manifest.model} v{manifest.version}",
        f"{manifest.summary}.",
        f"{headline(manifest, evaluation)}.",
        "## What it is",
        _identity(manifest),
        "## Ports",
        fence(flowchart(boxes(manifest.graphs)), "mermaid"),
        _ports(manifest),
        "## Intended use and limits",
        scope(manifest, codec, evaluation),
        "## How to run it",
        usage(manifest, codec),
        "## Results",
        results(manifest, evaluation),
        confusion(manifest.codec.get("labels", []), evaluation),
        _pictures(artifact),
        "## Proof",
        proof(certificate),
        "## Size and speed",
        sizes(artifact),
        speed(artifact, inference),
        "## Data",
        data(manifest),
        "## Training",
        training(manifest),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def models_table(artifacts: Iterable[Artifact]) -> str:
    """The table of all models: what they are, what they reach, how closely they were proven."""
    rows = []
    for artifact in artifacts:
        manifest = artifact.manifest
        graphs = ", ".join(graph.name for graph in manifest.graphs)
        link = f"[{manifest.model}](zoo/artifacts/{manifest.model}/{CARD})"
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in manifest.metrics.items())
        closest = f"{worst_ratio(artifact.certificate):.2f}"
        rows.append((link, manifest.summary, graphs, metrics, f"{graph_bytes(artifact) / 1e3:,.0f} kB", closest))
    return table(("model", "what it is", "graphs", "test split", "ONNX", "error / bound"), rows)


def _identity(manifest: Manifest) -> str:
    facts = f"Family `{manifest.family}` (<{manifest.paper}>), {manifest.parameters:,} parameters, task {manifest.task}."
    return "\n\n".join(part for part in (family_text(manifest.family), facts) if part)


def _ports(manifest: Manifest) -> str:
    tables = [
        (f"### {graph.name}\n\n" if len(manifest.graphs) > 1 else "")
        + table(HEADER, [(f"`{row[0]}`", *row[1:]) for row in port_rows(graph)])
        for graph in manifest.graphs
    ]
    return "\n\n".join(tables)


def _pictures(artifact: Artifact) -> str:
    pictures = sorted((artifact.folder / "pictures").glob("*.png"))
    if not pictures:
        return ""
    shown = [f"{path.stem.capitalize()}:\n\n![{path.stem}](pictures/{path.name})" for path in pictures]
    return "\n\n".join(["### Pictures", *shown])
