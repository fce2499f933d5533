"""Writing to a hub of blobs: files first, the signature next, the index last, so that a reader never sees half a model."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.artifact import Artifact, index_entry
from zoo.errors import IntegrityError, UsageError
from zoo.hubs import signing
from zoo.hubs.depot import Depot
from zoo.hubs.index import INDEX, MOST_BYTES, Index
from zoo.hubs.paths import File, files_of
from zoo.hubs.pull import check_artifact
from zoo.hubs.seen import refuse_missing, refuse_older, remember
from zoo.hubs.store import MissingError, Store, read_all

Entries = Mapping[tuple[str, int], dict[str, Any]]


def signing_key(named: Path | None) -> Path | None:
    """The private key that `--sign` or ZOO_SIGNING_KEY names."""
    chosen = os.environ.get("ZOO_SIGNING_KEY")
    return named or (Path(chosen).expanduser() if chosen else None)


def read_index(store: Store, key: Path | None = None, *, trust_unsigned: bool = False) -> Index:
    """The index that the hub has now, for its publisher; an empty one for a new hub.

    Raises IntegrityError for one that is older than the last seen, or gone, and for one that neither `key` nor a trusted
    key signed, when it is about to be signed again: a signature must not make somebody else's entries good.
    """
    depot = Depot()
    try:
        content = read_all(store, INDEX, MOST_BYTES)
    except MissingError:
        refuse_missing(depot, store.label)
        return Index()
    if key is not None and not trust_unsigned:
        keys = [signing.public_key(key), *signing.trusted_keys()]
        signing.verify(content, _signature(store, content), keys, store.label)
    index = Index.parse(content, store.label)
    refuse_older(depot, store.label, index.serial, hashlib.sha256(content).hexdigest())
    return index


def _signature(store: Store, content: bytes) -> bytes:
    try:
        return read_all(store, f"{hashlib.sha256(content).hexdigest()}.sig", signing.MOST_BYTES)
    except MissingError:
        return b""


def describe(artifact: Artifact) -> dict[str, Any]:
    """What an index will say of the artifact. Raises IntegrityError for what no reader would take."""
    entry = index_entry(artifact)
    reference = f"{artifact.manifest.model}@{entry['version']}"
    files = files_of(reference, entry)
    check_artifact(reference, entry, files, artifact.folder.joinpath)
    return entry


def add(store: Store, artifacts: list[Artifact], key: Path | None, *, trust_unsigned: bool = False) -> Index:
    """Publish artifacts; versions that are there with equal bytes stay as they are.

    Raises UsageError for a version that the hub has with other bytes, and without a key where the hub is signed.
    """
    described = {(artifact.manifest.model, artifact.manifest.version): describe(artifact) for artifact in artifacts}
    folders = {(artifact.manifest.model, artifact.manifest.version): artifact.folder for artifact in artifacts}
    depot = Depot()
    depot.make_hub(store.label)  # a cache that cannot be written is said before anything is sent
    with store.lock():
        before = read_index(store, key, trust_unsigned=trust_unsigned)
        new = _not_there(before, described, store)
        if not new:
            return before
        for reference, entry in new.items():
            for name, file in files_of(reference[0], entry).items():
                put_blob(store, file, folders[reference] / name)
        index = read_index(
            store, key, trust_unsigned=trust_unsigned
        )  # again: an upload takes long, and object stores have no locks
        for (name, _), entry in _not_there(index, described, store).items():
            index.add(name, entry)
        index.advance()
        content = index.encode()
        write_index(store, content, key)
        signer = f"publisher {signing.fingerprint(signing.public_key(key))}" if key else ""  # a reader checks it himself
        remember(depot, store.label, content, index.serial, signer)
        return index


def put_blob(store: Store, file: File, source: Path) -> None:
    """Store a file under its hash, unless it is there."""
    if store.size(file.sha256) != file.bytes:
        with source.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
        if found != file.sha256:
            raise IntegrityError(f"{source} has changed since it was described; publish it again.")
        store.write(file.sha256, source)


def write_index(store: Store, content: bytes, key: Path | None) -> None:
    """Sign and replace the index. Raises UsageError without a key where the one before was signed."""
    digest = hashlib.sha256(content).hexdigest()
    if key is not None:
        write_signature(store, digest, signing.sign(content, key))
    elif _is_signed(store):
        raise UsageError(f"{store.label} is signed; name the key with --sign or ZOO_SIGNING_KEY.")
    store.replace(INDEX, content)


def write_signature(store: Store, digest: str, signature: bytes) -> None:
    with _file(signature) as path:
        store.write(f"{digest}.sig", path)


def _is_signed(store: Store) -> bool:
    try:
        content = read_all(store, INDEX, MOST_BYTES)
    except MissingError:
        return False
    return store.size(f"{hashlib.sha256(content).hexdigest()}.sig") is not None


def _not_there(index: Index, described: Entries, store: Store) -> dict[tuple[str, int], dict[str, Any]]:
    """The versions that the index lacks."""
    new = {}
    for (name, version), entry in described.items():
        published = index.models.get(name, {}).get(version)
        if published is None:
            new[name, version] = entry
        elif published["files"] != entry["files"]:
            raise UsageError(
                f"{store.label} has {name}@{version} with other bytes, and what is published never changes; export it again "
                f"as version {max(index.models[name]) + 1}."
            )
    return new


@contextmanager
def _file(content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        yield path
