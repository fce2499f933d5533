"""The cache's folders: blobs by hash, models as folders of links to them, and what was last seen of each hub.

blobs/<sha256>             a whole file, its hash checked; <sha256>.part is one on its way
models/<model>@<version>-<certificate>/   an artifact as a plain folder, of hard links (copies where there are none)
records/<the same>.json    which files the folder has
hubs/<hash of the address>/   the last index that was accepted, and its serial
locks/                     one file for whatever only one process at a time may do
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from zoo.artifact import ORIGINAL
from zoo.cache import cache_root
from zoo.errors import ArtifactError, HubError, UsageError
from zoo.hubs.paths import File, files_of
from zoo.manifest import CERTIFICATE, read_json, sha256, write_json

IN_USE_SUFFIX = ".part"


class LostBlobError(HubError):
    """A blob went away, or has other bytes than its name says and was removed."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"The blob {sha256[:12]}… of the cache was lost or damaged while it was used; pull again.")


@dataclass(frozen=True)
class Record:
    """An artifact in the cache: its folder's name, what it is, and every file that its index lists."""

    folder: str
    model: str
    version: int
    files: dict[str, File]


class Depot:
    """Paths below the cache's root, which need not exist."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_root()

    def blob(self, sha256: str) -> Path:
        return self.root / "blobs" / sha256

    def part(self, sha256: str) -> Path:
        return self.root / "blobs" / f"{sha256}{IN_USE_SUFFIX}"

    def model(self, folder: str) -> Path:
        return self.root / "models" / folder

    def hub(self, label: str) -> Path:
        return self.root / "hubs" / hashlib.sha256(label.encode()).hexdigest()[:16]

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Be the only process and thread that holds `name`."""
        with FileLock(self._make("locks") / name):
            yield

    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Whether nobody else holds `name`; if so, hold it."""
        lock = FileLock(self._make("locks") / name)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def blobs(self) -> list[Path]:
        """Whole blobs and those on their way."""
        folder = self.root / "blobs"
        return sorted(path for path in folder.iterdir() if path.name[0] != ".") if folder.is_dir() else []

    def make_hub(self, label: str) -> Path:
        """The folder for what was seen of a hub. Raises UsageError where the cache cannot be made."""
        return self._make(f"hubs/{self.hub(label).name}")

    def make_folders(self) -> None:
        for name in ("blobs", "models", "records"):
            self._make(name)

    def _make(self, name: str) -> Path:
        try:
            (self.root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"The cache {self.root} cannot be made ({error.strerror}); set ZOO_CACHE to a folder that can be written."
            ) from error
        return self.root / name

    # ------------------------------------------------------------------------------------------- artifacts

    def records(self) -> list[Record]:
        """Every artifact that has a record; its folder may be missing."""
        return [found for path in sorted((self.root / "records").glob("*.json")) if (found := _read_record(path))]

    def record(self, record: Record) -> None:
        files = {name: asdict(file) for name, file in record.files.items()}
        about = {"model": record.model, "version": record.version, "files": files}
        write_json(self.root / "records" / f"{record.folder}.json", about)

    def forget(self, folder: str) -> None:
        """Remove an artifact; its blobs stay until they are swept."""
        gone = self.root / "models" / f".old-{folder}"
        shutil.rmtree(gone, ignore_errors=True)
        if self.model(folder).exists():
            self.model(folder).rename(gone)
        (self.root / "records" / f"{folder}.json").unlink(missing_ok=True)
        shutil.rmtree(gone, ignore_errors=True)

    def put(
        self,
        folder: str,
        files: Mapping[str, File],
        *,
        original: bool,
        check: Callable[[Path], None],
        hashed: Collection[str] = (),
    ) -> None:
        """Make the artifact's folder, or its `original/`, of blobs that are here; all are hashed but those just `hashed`.

        `check` is called with the new folder before it gets its name. Raises LostBlobError.
        """
        final = self.model(folder)
        new = self.root / "models" / f".new-{folder}"
        shutil.rmtree(new, ignore_errors=True)
        wanted = {name: file for name, file in files.items() if original or not name.startswith(f"{ORIGINAL}/")}
        try:
            for name, file in wanted.items():
                target = new / name
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    link_or_copy(self.blob(file.sha256), target)
                except FileNotFoundError as error:
                    raise LostBlobError(file.sha256) from error
                if file.sha256 not in hashed and sha256(target) != file.sha256:
                    self.blob(file.sha256).unlink(missing_ok=True)
                    raise LostBlobError(file.sha256)
            check(new)
            if not final.exists():
                new.rename(final)
            elif original and not (final / ORIGINAL).exists():
                (new / ORIGINAL).rename(final / ORIGINAL)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def folder_name(model: str, version: int, certificate: str) -> str:
    """Two hubs may have different artifacts of one name and version: their certificates tell them apart."""
    return f"{model}@{version}-{certificate[:12]}"


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link costs no space; not every disk has them."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _read_record(path: Path) -> Record | None:
    try:
        found: dict[str, Any] = read_json(path)
        model, version, files = found["model"], found["version"], found["files"]
        bound = {"files": files, "certificate": files[CERTIFICATE]["sha256"], "card": files["card.md"]["sha256"]}
        return Record(path.stem, str(model), int(version), files_of(path.stem, bound))
    except (ArtifactError, KeyError, TypeError, ValueError):
        return None  # of another version, or damaged: as if it were not there
