"""Whole hubs: copied byte for byte, exported from a folder of artifacts, checked file by file."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.artifact import ORIGINAL
from zoo.errors import HubError, IntegrityError, UsageError, ZooError
from zoo.hubs import signing, write
from zoo.hubs.depot import Depot
from zoo.hubs.fetch import fetch
from zoo.hubs.index import INDEX, MOST_BYTES, Index
from zoo.hubs.paths import File, files_of
from zoo.hubs.pull import check_artifact
from zoo.hubs.remote import Remote, refuse_offline
from zoo.hubs.seen import last_seen, remember
from zoo.hubs.store import MissingError, Store, read_all
from zoo.hubs.tree import Tree

Say = Callable[[str], None]


@dataclass
class Checked:
    """What `check` looked at, and the sentence of everything that is wrong."""

    models: int = 0
    files: int = 0
    failures: list[str] = field(default_factory=list)


def export(tree: Tree, target: Store, key: Path | None, *, trust_unsigned: bool = False) -> Index:
    """Publish every artifact of a folder of artifacts into a hub of blobs."""
    artifacts = [tree.artifact(name, None) for name in sorted(tree.entries)]
    for artifact in artifacts:
        artifact.verify()
        if any(
            name.startswith(f"{ORIGINAL}/") and not (artifact.folder / name).exists() for name in artifact.certificate.files
        ):
            raise UsageError(f"{artifact.folder} lacks its {ORIGINAL}/; export from a checkout.")
    return write.add(target, artifacts, key, trust_unsigned=trust_unsigned)


def mirror(source: Remote, target: Store, say: Say = lambda _: None) -> Index:
    """Make `target` a copy: blobs that it lacks, then signature and index as they are.

    Raises UsageError when the target has versions that the source lacks, or has with other bytes.
    """
    for store in (source.store, target):
        refuse_offline(store, source.policy)
    index = source.index
    content = read_all(source.store, INDEX, MOST_BYTES)
    digest = hashlib.sha256(content).hexdigest()
    if Index.parse(content, source.label) != index:
        raise HubError(f"{source.label} changed while it was read; mirror it again.")
    with target.lock():
        _refuse_loss(write.read_index(target), index, target)
        for file in _blobs(index).values():
            if target.size(file.sha256) != file.bytes:
                _copy(file, source, target)
                say(file.sha256)
        with contextlib.suppress(MissingError):  # an unsigned hub, which the user trusts
            write.write_signature(target, digest, read_all(source.store, f"{digest}.sig", signing.MOST_BYTES))
        target.replace(INDEX, content)
        signer = str(last_seen(source.depot, source.label).get("signer", ""))
        remember(source.depot, target.label, content, index.serial, signer)
    return index


def check(hub: Tree | Remote) -> Checked:
    """Verify everything in a hub: index, signature, every file's bytes, certificates, names and contents."""
    checked = Checked()
    if isinstance(hub, Tree):
        _check_tree(hub, checked)
    else:
        _check_blobs(hub, checked)
    return checked


def _check_tree(tree: Tree, checked: Checked) -> None:
    for name in sorted(tree.entries):
        try:
            artifact = tree.artifact(name, None)
            artifact.verify()
            checked.models += 1
            checked.files += sum(path.is_file() for path in artifact.folder.rglob("*"))
        except ZooError as error:
            checked.failures.append(str(error))


def _check_blobs(hub: Remote, checked: Checked) -> None:
    """Blobs are fetched into a folder that goes away, one version at a time."""
    refuse_offline(hub.store, hub.policy)
    for name, version, entry in hub.index.entries():
        with tempfile.TemporaryDirectory(prefix="zoo-check-") as folder:
            try:
                checked.files += _check_version(hub, f"{name}@{version}", entry, Depot(Path(folder)))
                checked.models += 1
            except ZooError as error:
                checked.failures.append(f"{name}@{version}: {str(error).removeprefix(f'{name}@{version}: ')}")


def _check_version(hub: Remote, reference: str, entry: dict[str, Any], depot: Depot) -> int:
    """How many files it has."""
    files = files_of(reference, entry)
    depot.make_folders()
    for file in files.values():
        fetch(file, [hub.store], depot)

    def check(folder: Path) -> None:
        check_artifact(reference, entry, files, folder.joinpath)

    depot.put("checked", files, original=True, check=check, hashed={file.sha256 for file in files.values()})
    return len(files)


def _blobs(index: Index) -> dict[str, File]:
    return {
        file.sha256: file
        for name, version, entry in index.entries()
        for file in files_of(f"{name}@{version}", entry).values()
    }


def _copy(file: File, source: Remote, target: Store) -> None:
    """Through the cache, where it stays only if it was there."""
    depot = source.depot
    depot.make_folders()
    had = depot.blob(file.sha256).exists()
    fetch(file, [source.store], depot)
    write.put_blob(target, file, depot.blob(file.sha256))
    if not had and depot.blob(file.sha256).stat().st_nlink == 1:
        depot.blob(file.sha256).unlink(missing_ok=True)


def _refuse_loss(old: Index, new: Index, target: Store) -> None:
    for name, version, entry in old.entries():
        if new.models.get(name, {}).get(version, {}).get("files") != entry["files"]:
            raise UsageError(f"{target.label} has {name}@{version}, which the source has not; mirror into an empty place.")
    if old.serial > new.serial:
        raise IntegrityError(f"{target.label} has a newer index than the source; mirror the other way.")
