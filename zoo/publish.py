"""Publishing: a certified candidate enters a hub as a new version, whole or not at all."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

from zoo.card import write_card
from zoo.errors import IntegrityError, UsageError
from zoo.hub import Artifact, Hub
from zoo.manifest import MANIFEST, Certificate, file_hashes, verify

MAX_BYTES = 10_000_000


def next_version(hub: Hub, model: str) -> int:
    """Version that a new artifact of the model gets."""
    return hub.index[model]["version"] + 1 if model in hub.index else 1


def publish(candidate: Path, hub: Hub) -> Artifact:
    """Copy the candidate into the hub, write its card and bind both by the index.

    Files equal to those of the published version are not published again. Raises IntegrityError without a passing
    certificate of exactly these files, UsageError for a wrong version or more than 10 MB.
    """
    artifact = Artifact(candidate)
    verify(candidate, artifact.certificate)
    model, version = artifact.manifest.model, artifact.manifest.version
    if artifact.certificate.model != model or artifact.certificate.version != version:
        raise IntegrityError(f"The certificate in {candidate} is about another model or version; validate again.")
    target = hub.root / model
    if model in hub.index and _equal(candidate, target):
        return Artifact(target)
    if version != next_version(hub, model):
        raise UsageError(f"{model} is at version {version}; the next one is {next_version(hub, model)}: export it again.")
    size = sum(path.stat().st_size for path in candidate.rglob("*") if path.is_file())
    if size > MAX_BYTES:
        raise UsageError(f"{model} takes {size:,} bytes; {MAX_BYTES:,} is the most a model may take here.")
    return _install(candidate, target, hub)


def _equal(candidate: Path, published: Path) -> bool:
    """Whether nothing differs but the manifest, which holds version and times, and the versions of the tools."""
    found, known = file_hashes(candidate), file_hashes(published)
    found.pop(MANIFEST, None)
    known.pop(MANIFEST, None)
    return found == known and _proof(candidate) == _proof(published)


def _proof(folder: Path) -> dict[str, Any]:
    """What the certificate says was found."""
    fields = dataclasses.asdict(Certificate.read(folder))
    return {name: value for name, value in fields.items() if name not in ("version", "versions", "files")}


def _install(candidate: Path, target: Path, hub: Hub) -> Artifact:
    temporary, old = hub.root / f".{target.name}.new", hub.root / f".{target.name}.old"
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        shutil.copytree(candidate, temporary)
        write_card(Artifact(temporary))
        if target.exists():
            target.replace(old)
        temporary.replace(target)
        hub.write_index()
    finally:
        if not target.exists() and old.exists():
            old.replace(target)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return Artifact(target)
