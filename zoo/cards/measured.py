"""What was measured of a published model: `zoo/measured/<model>.json`, one file a model, written by commands.

A certificate is immutable and says what was proven on the day of publishing; speed belongs to a machine, and the test
split's confusion matrix and intervals to a run that is evaluated. They stand in a file of their own, which names the
certificate that it is about: figures of other bytes are never shown.

- `evaluation`: of the published graphs on the whole test split, by `make docs` where the run folder is at hand
- `inference`: seconds of a call, by `python -m benchmarks.inference`
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.errors import ArtifactError
from zoo.hub import Artifact
from zoo.manifest import CERTIFICATE, read_json, sha256, write_json

FOLDER = Path(__file__).parent.parent / "measured"


def measured(artifact: Artifact, what: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """The block `what` of the measurements of exactly this artifact; None where there is none."""
    block = _all(artifact, folder).get(what)
    return block if isinstance(block, dict) else None


def record(artifact: Artifact, what: str, block: dict[str, Any], folder: Path = FOLDER) -> Path:
    """Write a block beside the others of this artifact; those of other bytes are dropped."""
    path = _path(artifact, folder)
    write_json(path, {**_all(artifact, folder), "certificate": _certificate(artifact), what: block})
    return path


def _all(artifact: Artifact, folder: Path) -> dict[str, Any]:
    path = _path(artifact, folder)
    try:
        found = read_json(path) if path.is_file() else {}
    except ArtifactError:
        return {}
    return found if found.get("certificate") == _certificate(artifact) else {}


def _path(artifact: Artifact, folder: Path) -> Path:
    return folder / f"{Path(artifact.manifest.model).name}.json"


def _certificate(artifact: Artifact) -> str:
    return sha256(artifact.folder / CERTIFICATE)
