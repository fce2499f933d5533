"""One published version of a model, as a folder, and what an index says of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.errors import IntegrityError, UnknownNameError
from zoo.manifest import CARD, CERTIFICATE, Certificate, Manifest, sha256, verify
from zoo.onnx_files import check_external_data
from zoo.spec import Graph

GOLDEN = "golden.npz"
ORIGINAL = "original"


def weights_file(variant: str = "") -> str:
    """Where weights lie that several graphs of a model, or of a variant of it, hold: `weights.bin` or `weights.int8.bin`."""
    return f"weights.{variant}.bin" if variant else "weights.bin"


@dataclass(frozen=True)
class Artifact:
    """One published version of a model, as a folder."""

    folder: Path

    @cached_property
    def manifest(self) -> Manifest:
        return Manifest.read(self.folder)

    @cached_property
    def certificate(self) -> Certificate:
        return Certificate.read(self.folder)

    def graph_path(self, graph: Graph, variant: str = "") -> Path:
        """The file of a graph, or of a variant of it that was accepted.

        Raises UnknownNameError, IntegrityError for a file that the certificate does not bind.
        """
        if variant and variant not in self.certificate.variants:
            raise UnknownNameError(f"variant of {self.manifest.model}", variant, self.certificate.variants)
        name = graph.variant_file(variant)
        if "/" in name or "\\" in name or name not in self.certificate.files:
            raise IntegrityError(
                f"{self.manifest.model}: its manifest names the graph file {name!r}, which its certificate does not bind; "
                "validate it again."
            )
        return self.folder / name

    def verify(self) -> None:
        """Raise ArtifactError unless every file is the one that was certified, tensors outside the graphs included."""
        verify(self.folder, self.certificate, partial=True)
        check_external_data(self.folder, self.certificate.files)


def index_entry(artifact: Artifact) -> dict[str, Any]:
    """What an index says of the artifact: what is listed, and the hash and size of every file that is there."""
    manifest, folder = artifact.manifest, artifact.folder
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    bound = {name: sha256(folder / name) for name in (CERTIFICATE, CARD)}
    hashes = {**artifact.certificate.files, **bound}
    return {
        "version": manifest.version,
        "task": manifest.task,
        "family": manifest.family,
        "summary": manifest.summary,
        "parameters": manifest.parameters,
        "graphs": [graph.name for graph in manifest.graphs],
        "metrics": manifest.metrics,
        "licence": manifest.data["licence"],
        "bytes": sum(sizes.values()),
        "graph_bytes": sum(size for name, size in sizes.items() if _is_graph(name)),
        "certificate": bound[CERTIFICATE],
        "card": bound[CARD],
        "files": {name: {"sha256": hashes[name], "bytes": size} for name, size in sizes.items() if name in hashes},
    }


def _is_graph(name: str) -> bool:
    """Whether a file is a graph, or weights of graphs."""
    return "/" not in name and (".onnx" in name or (name.startswith("weights.") and name.endswith(".bin")))
