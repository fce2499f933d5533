"""Publishing: a certified candidate enters a hub as a new version, whole or not at all."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cards import write_card
from zoo.errors import IntegrityError, UsageError
from zoo.hub import Artifact, Hub
from zoo.hubs.tree import Tree
from zoo.manifest import CARD, CERTIFICATE, MANIFEST, Certificate, file_hashes, sha256, verify

if TYPE_CHECKING:
    from zoo.hubs.remote import Remote

MAX_BYTES = 10_000_000
MOST_CERTIFICATE_BYTES = 64 << 20


def next_version(hub: Hub, model: str) -> int:
    """Version that a new artifact of the model gets."""
    return hub.index[model]["version"] + 1 if model in hub.index else 1


def publish(candidate: Path, hub: Hub, key: Path | None = None) -> Artifact:
    """Copy the candidate into the hub, write its card and bind both by the index.

    Files equal to those of the published version are not published again. `key` signs the index of a hub of blobs. Raises
    IntegrityError without a passing certificate of exactly these files, UsageError for a wrong version, and for more than
    10 MB in a folder of artifacts, which lies beside code.
    """
    artifact = Artifact(candidate)
    verify(candidate, artifact.certificate)
    model, version = artifact.manifest.model, artifact.manifest.version
    if artifact.certificate.model != model or artifact.certificate.version != version:
        raise IntegrityError(f"The certificate in {candidate} is about another model or version; validate again.")
    if not isinstance(hub.sources[0], Tree):
        return _add(artifact, hub.sources[0], key)
    target = hub.root / model
    _recover(target)
    bound = hub.index.get(model, {}).get("certificate")
    if target.exists() and bound == sha256(target / CERTIFICATE) and _equal(candidate, target):
        return Artifact(target)
    if version != next_version(hub, model):
        raise UsageError(f"{model} is at version {version}; the next one is {next_version(hub, model)}: export it again.")
    size = sum(path.stat().st_size for path in candidate.rglob("*") if path.is_file())
    if size > MAX_BYTES:
        raise UsageError(f"{model} takes {size:,} bytes; {MAX_BYTES:,} is the most a model may take here.")
    return _install(candidate, target, hub)


def _add(artifact: Artifact, hub: Remote, key: Path | None) -> Artifact:
    """Publish into a hub of blobs, where every version stays and versions only grow."""
    from zoo.hubs import write
    from zoo.hubs.remote import refuse_offline

    refuse_offline(hub.store, hub.policy)
    model, version = artifact.manifest.model, artifact.manifest.version
    index = write.read_index(hub.store, key, trust_unsigned=hub.policy.trust_unsigned)
    latest = index.latest.get(model, 0)
    if latest and _equal_blobs(artifact, hub, index.entry(model)):
        return artifact
    if version <= latest and version not in index.models[model]:
        raise UsageError(f"{hub.label} is at version {latest} of {model}; export it again as version {latest + 1}.")
    with tempfile.TemporaryDirectory(prefix="zoo-publish-") as folder:
        staged = Artifact(Path(shutil.copytree(artifact.folder, Path(folder) / model)))
        if not (staged.folder / CARD).exists():
            write_card(staged)
        write.add(hub.store, [staged], key, trust_unsigned=hub.policy.trust_unsigned)
    return artifact


def _equal_blobs(artifact: Artifact, hub: Remote, entry: dict[str, Any]) -> bool:
    """Whether nothing differs from the published version but what `_equal` ignores."""
    from zoo.hubs.store import read_all

    bound = (CARD, CERTIFICATE, MANIFEST)
    known = {name: file["sha256"] for name, file in entry["files"].items() if name not in bound}
    found = {name: digest for name, digest in file_hashes(artifact.folder).items() if name not in bound}
    if found != known:
        return False
    with tempfile.TemporaryDirectory(prefix="zoo-publish-") as folder:
        (Path(folder) / CERTIFICATE).write_bytes(read_all(hub.store, entry["certificate"], MOST_CERTIFICATE_BYTES))
        return _proof(artifact.folder) == _proof(Path(folder))


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


def _beside(target: Path) -> tuple[Path, Path]:
    """Where the version on its way and the one before lie while it is installed."""
    return target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")


def _recover(target: Path) -> None:
    """Undo what a killed publication left: the version before gets its place again, unless the new one has it."""
    temporary, old = _beside(target)
    if not target.exists() and old.exists():
        old.replace(target)
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)


def _install(candidate: Path, target: Path, hub: Hub) -> Artifact:
    temporary, old = _beside(target)
    try:
        shutil.copytree(candidate, temporary)
        write_card(Artifact(temporary))
        if target.exists():
            target.replace(old)
        temporary.replace(target)
        hub.write_index()
    finally:
        _recover(target)
    return Artifact(target)
