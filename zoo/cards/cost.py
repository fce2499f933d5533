"""Section of a card on what a model costs: bytes, and milliseconds of a call."""

from __future__ import annotations

from typing import Any

from zoo.artifact import weights_file
from zoo.cards.markdown import table
from zoo.hub import Artifact

ORIGINAL = {"torch": "PyTorch eager", "estimator": "scikit-learn"}


def graph_bytes(artifact: Artifact, variant: str = "") -> int:
    """Size of the graphs' files, the weights that they share among them."""
    names = [*(graph.variant_file(variant) for graph in artifact.manifest.graphs), weights_file(variant)]
    return sum(path.stat().st_size for path in map(artifact.folder.joinpath, names) if path.is_file())


def sizes(artifact: Artifact) -> str:
    """Bytes of the graphs and of their twins, and what a twin costs in the task metric."""
    certificate, metric = artifact.certificate, artifact.manifest.training["metric"]
    found = certificate.metric
    rows = [("float32", f"{graph_bytes(artifact) / 1e3:,.0f} kB", f"{found['found']:.4f}" if found else "", "")]
    for name, twin in sorted(certificate.twins.items()):
        size = f"{graph_bytes(artifact, name) / 1e3:,.0f} kB" if twin["accepted"] else "not shipped"
        score = f"{twin['comparison']['found']:.4f}" if twin["comparison"] else ""
        rows.append((name, size, score, f"{'ships' if twin['accepted'] else 'refused'}: {twin['why']}"))
    return table(("weights", "ONNX", metric, "verdict"), rows)


def speed(artifact: Artifact, inference: dict[str, Any] | None) -> str:
    """Milliseconds of a call by batch size, beside the original in its own library."""
    if not inference:
        return "Speed was not measured yet: `python -m benchmarks.inference` measures it."
    names = {"onnx": "ONNX Runtime", "original": ORIGINAL[artifact.manifest.kind], "compiled": "torch.compile"}
    found = {kind for sizes in inference["ms"].values() for cell in sizes.values() for kind in cell}
    kinds = sorted(found, key=lambda kind: (not kind.startswith("onnx"), kind == "compiled", kind))
    head = ["graph", "batch", *(names.get(kind, kind.replace("onnx.", "ONNX ")) for kind in kinds), "ratio"]
    rows = [
        (graph, batch, *(f"{cell[kind]:.3g}" if kind in cell else "" for kind in kinds), f"{_ratio(cell):.1f}")
        for graph, sizes in inference["ms"].items()
        for batch, cell in sorted(sizes.items(), key=lambda item: int(item[0]))
    ]
    versions = ", ".join(f"{name} {number}" for name, number in inference["versions"].items())
    return (
        table(head, rows)
        + f"\n\nMilliseconds a call, medians of {inference['rounds']} interleaved rounds; ratio: {names['original']} to "
        f"ONNX Runtime. {inference['machine']}, load {inference['load']:.1f} before, {inference['date']}; {versions}. "
        f"Measured by `{inference['command']}`."
    )


def _ratio(cell: dict[str, float]) -> float:
    return cell["original"] / cell["onnx"]


def latency_ms(inference: dict[str, Any] | None, batch: str = "1") -> float | None:
    """Milliseconds of one call of each of a model's graphs, ONNX Runtime; None where it was not measured."""
    if not inference:
        return None
    return sum(sizes[batch]["onnx"] for sizes in inference["ms"].values())
