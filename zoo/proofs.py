"""Local proofs: that this machine has proven an artifact on a provider that its certificate does not name.

A certificate says which provider its graphs ran on when they were proven. `zoo validate MODEL --provider cuda` proves them
on another one, on the machine at hand, and leaves a note of it in the cache; the service asks `covers` before it serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime

from zoo.cache import cache_root
from zoo.errors import ArtifactError
from zoo.hub import Artifact
from zoo.manifest import CERTIFICATE, read_json, sha256, write_json
from zoo.providers import runtime_name


def covers(artifact: Artifact, provider: str, variant: str = "") -> bool:
    """Whether the artifact is proven on the provider: by its certificate, or here, with this version of ONNX Runtime.

    A `variant` is covered elsewhere than on the certificate's provider only if it was judged there too.
    """
    if artifact.certificate.options.get("provider") == runtime_name(provider):
        return True
    try:
        proof = read_json(proof_path(artifact, provider))
    except ArtifactError:
        return False
    return proof.get("passed") is True and (not variant or variant in proof.get("variants", []))


def record(artifact: Artifact, provider: str, found: Mapping[str, Any]) -> Path:
    """Write the proof that a passing validation on `provider` is; `found` is what it holds beside names and versions."""
    path = proof_path(artifact, provider)
    names = {"model": artifact.manifest.model, "version": artifact.manifest.version, "provider": provider}
    write_json(path, {**found, **names, "onnxruntime": onnxruntime.__version__, "passed": True})
    return path


def withdraw(artifact: Artifact, provider: str) -> None:
    """Remove the proof on `provider`, if there is one: a later validation failed."""
    proof_path(artifact, provider).unlink(missing_ok=True)


def proof_path(artifact: Artifact, provider: str) -> Path:
    """Named by the certificate's hash, the provider and the version of ONNX Runtime: other bytes need another proof."""
    certificate = sha256(artifact.folder / CERTIFICATE)
    return cache_root() / "proofs" / f"{certificate}-{provider}-{onnxruntime.__version__}.json"
