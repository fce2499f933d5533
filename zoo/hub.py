"""Where artifacts come from: a folder with one folder a model and an `index.json` that binds their certificates.

`ZOO_HUB` names another folder than the one that came with the code.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.errors import ArtifactError, IntegrityError, UnknownNameError, UsageError
from zoo.manifest import CARD, CERTIFICATE, Certificate, Manifest, read_json, sha256, verify, write_json
from zoo.spec import Graph

INDEX = "index.json"
GOLDEN = "golden.npz"
ORIGINAL = "original"
EMBEDDED = Path(__file__).parent / "artifacts"


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
        """The file of a graph, or of a variant of it that was accepted. Raises UnknownNameError."""
        if variant and variant not in self.certificate.variants:
            raise UnknownNameError(f"variant of {self.manifest.model}", variant, self.certificate.variants)
        return self.folder / graph.variant_file(variant)

    def verify(self) -> None:
        """Raise ArtifactError unless every file is the one that was certified."""
        verify(self.folder, self.certificate, partial=True)


class Hub:
    """A folder of artifacts with an index."""

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root or os.environ.get("ZOO_HUB") or EMBEDDED)
        if not self.root.is_dir():
            raise UsageError(f"The hub {self.root} is not a folder; set ZOO_HUB to one, or unset it.")

    @cached_property
    def index(self) -> dict[str, dict[str, Any]]:
        """What the hub says of each model: version, task, family, metrics, size, and the hashes that bind it."""
        if not (self.root / INDEX).exists():
            return {}
        models = read_json(self.root / INDEX).get("models")
        if not isinstance(models, dict):
            raise ArtifactError(f"{self.root / INDEX} lists no models; publish again or fetch the hub again.")
        return models

    def names(self) -> list[str]:
        return sorted(self.index)

    def artifact(self, reference: str) -> Artifact:
        """The artifact of `model` or `model@version`, its certificate bound by the index.

        Raises UnknownNameError for a model or version that the hub lacks and ArtifactError where the certificate is
        not the one that the index names.
        """
        name, _, version = reference.partition("@")
        if name not in self.index:
            raise UnknownNameError("model", name, self.index)
        entry = self.index[name]
        if version and version != str(entry["version"]):
            raise UnknownNameError(f"version of {name}", version, [str(entry["version"])])
        folder = self.root / name
        for file, expected in ((CERTIFICATE, entry["certificate"]), (CARD, entry["card"])):
            if not (folder / file).is_file() or sha256(folder / file) != expected:
                raise IntegrityError(f"{name}: {file} is not the one that the hub's index names; fetch it again.")
        return Artifact(folder)

    def write_index(self) -> None:
        """Describe every artifact below the root in `index.json`."""
        folders = [path.parent for path in sorted(self.root.glob(f"*/{CERTIFICATE}")) if path.parent.name[0] != "."]
        write_json(self.root / INDEX, {"models": {folder.name: _entry(Artifact(folder)) for folder in folders}})
        self.__dict__.pop("index", None)


def _entry(artifact: Artifact) -> dict[str, Any]:
    manifest = artifact.manifest
    files = [path for path in artifact.folder.rglob("*") if path.is_file()]
    return {
        "version": manifest.version,
        "task": manifest.task,
        "family": manifest.family,
        "summary": manifest.summary,
        "parameters": manifest.parameters,
        "graphs": [graph.name for graph in manifest.graphs],
        "metrics": manifest.metrics,
        "licence": manifest.data["licence"],
        "bytes": sum(path.stat().st_size for path in files),
        "graph_bytes": sum(path.stat().st_size for path in files if path.parent == artifact.folder and ".onnx" in path.name),
        "certificate": sha256(artifact.folder / CERTIFICATE),
        "card": sha256(artifact.folder / CARD),
    }
