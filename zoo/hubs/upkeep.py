"""Keeping the cache: what is in it, whether it is right, and what can go."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.artifact import ORIGINAL
from zoo.errors import ZooError
from zoo.hubs.depot import IN_USE_SUFFIX, Depot, Record, link_or_copy
from zoo.hubs.fetch import fetch
from zoo.hubs.paths import File
from zoo.hubs.store import Store


@dataclass(frozen=True)
class Cached:
    """An artifact in the cache; `bytes` of its files, some of which others may share."""

    record: Record
    folder: Path
    bytes: int
    original: bool


def cached(depot: Depot) -> list[Cached]:
    """Every artifact that is there."""
    found = []
    for record in depot.records():
        folder = depot.model(record.folder)
        if folder.is_dir():
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            found.append(Cached(record, folder, size, (folder / ORIGINAL).is_dir()))
    return found


def verify(depot: Depot) -> list[str]:
    """A sentence for everything that is damaged: blobs, and files of artifacts."""
    wrong = [f"The blob {path.name[:12]}… has other bytes than its name says." for path in _damaged_blobs(depot)]
    for one in cached(depot):
        for name, why in _damaged_files(one):
            wrong.append(f"{one.record.model}@{one.record.version}: {name} {why}.")
    return wrong


def repair(depot: Depot, stores: Sequence[Store]) -> list[str]:
    """Fetch again what is damaged; a sentence for everything that could not be had."""
    for path in _damaged_blobs(depot):
        with depot.lock(path.name):
            path.unlink(missing_ok=True)
    failures = []
    for one in cached(depot):
        for name, why in _damaged_files(one):
            target = one.folder / name
            if name not in one.record.files:
                target.unlink()
                continue
            try:
                _replace(depot, one.record.files[name], target, stores)
            except ZooError as error:
                failures.append(f"{one.record.model}@{one.record.version}: {name} {why}, and is not repaired. {error}")
    return failures


def prune(depot: Depot, models: Iterable[str] = (), *, every: bool = False) -> int:
    """Remove old versions, or the named models, or every one; then whatever nothing uses. Bytes that became free."""
    before = _used(depot)
    names = set(models)
    whole = [one for one in depot.records() if depot.model(one.folder).is_dir()]
    newest = {one.model: one.version for one in sorted(whole, key=lambda one: one.version)}
    for one in depot.records():
        named = one.model in names or f"{one.model}@{one.version}" in names
        old = not names and one.version < newest.get(one.model, 0)
        with depot.try_lock(one.folder) as free:
            if free and (every or named or old or not depot.model(one.folder).is_dir()):
                depot.forget(one.folder)
    _sweep(depot)
    return before - _used(depot)


def _sweep(depot: Depot) -> None:
    """Remove what no record names, and what a pull left that was killed; what is being pulled stays."""
    for folder in (depot.root / "models").glob("*"):
        with depot.try_lock(folder.name.removeprefix(".new-").removeprefix(".old-")) as free:
            if free and folder.name not in {one.folder for one in depot.records()}:
                shutil.rmtree(folder, ignore_errors=True)
    used = _named(depot)
    for path in depot.blobs():
        sha256 = path.name.removesuffix(IN_USE_SUFFIX)
        if path.name != sha256 or sha256 not in used:
            with depot.try_lock(sha256) as free:
                if free and (path.name != sha256 or sha256 not in _named(depot)):  # as it is now
                    path.unlink(missing_ok=True)


def _named(depot: Depot) -> set[str]:
    """The blobs of every record."""
    return {file.sha256 for one in depot.records() for file in one.files.values()}


def _damaged_blobs(depot: Depot) -> list[Path]:
    whole = [path for path in depot.blobs() if not path.name.endswith(IN_USE_SUFFIX)]
    return [path for path in whole if _hash(path) != path.name]


def _damaged_files(one: Cached) -> list[tuple[str, str]]:
    wrong = []
    for name, file in one.record.files.items():
        path = one.folder / name
        if name.startswith(f"{ORIGINAL}/") and not one.original:
            continue
        if not path.is_file() or path.is_symlink():
            wrong.append((name, "is missing"))
        elif path.stat().st_size != file.bytes or _hash(path) != file.sha256:
            wrong.append((name, "has other bytes than were pulled"))
    there = {path.relative_to(one.folder).as_posix() for path in one.folder.rglob("*") if path.is_file()}
    return wrong + [(name, "does not belong there") for name in sorted(there - set(one.record.files))]


def _replace(depot: Depot, file: File, target: Path, stores: Sequence[Store]) -> None:
    depot.make_folders()
    fetch(file, stores, depot)
    temporary = target.with_name(f".{target.name}.new")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary.unlink(missing_ok=True)
    link_or_copy(depot.blob(file.sha256), temporary)
    temporary.replace(target)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _used(depot: Depot) -> int:
    """Bytes on the disk: a file with several links counts once."""
    paths = (path for name in ("blobs", "models") for path in (depot.root / name).rglob("*"))
    found = [path.stat() for path in paths if path.is_file()]
    return sum({(about.st_dev, about.st_ino): about.st_size for about in found}.values())
