"""A hub in a folder of this machine."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from filelock import FileLock

from zoo.errors import UsageError
from zoo.hubs.store import MissingError, Store, StoreError, Stream

CHUNK = 1 << 20


class FolderStore(Store):
    """Files of one folder; a link in it is refused."""

    remote = False

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.label = str(self.root)  # what was last seen of a hub goes by its label

    @contextmanager
    def open(self, name: str, offset: int = 0) -> Iterator[Stream]:
        path = self._path(name)
        if not path.is_file():
            raise MissingError(self.label, name)
        with self._errors(path):
            file = path.open("rb", buffering=0)
        with file:
            total = os.fstat(file.fileno()).st_size
            file.seek(offset)
            yield Stream(offset, total, self._chunks(path, file))

    def size(self, name: str) -> int | None:
        path = self._path(name)
        return path.stat().st_size if path.is_file() else None

    def write(self, name: str, source: Path) -> None:
        with self._new(name) as temporary:
            shutil.copyfile(source, temporary)

    def replace(self, name: str, content: bytes) -> None:
        with self._new(name) as temporary:
            temporary.write_bytes(content)

    @contextmanager
    def lock(self) -> Iterator[None]:
        self._make()
        with FileLock(self.root / ".lock"):
            yield

    def _chunks(self, path: Path, file: FileIO) -> Iterator[bytes]:
        with self._errors(path):
            yield from iter(lambda: file.read(CHUNK), b"")

    @contextmanager
    def _errors(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"{path} cannot be read ({error.strerror}); check the disk and your rights.") from error

    def _make(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"The hub {self.root} cannot be made ({error.strerror}); name another folder.") from error

    def _path(self, name: str) -> Path:
        path = self.root / name
        if path.is_symlink():
            raise StoreError(f"{path} is a link, which a hub must not have; put the file itself there.", again=False)
        return path

    @contextmanager
    def _new(self, name: str) -> Iterator[Path]:
        """A temporary file that becomes `name`."""
        self._make()
        temporary = self.root / f".{name}.{uuid.uuid4().hex}"
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(self._path(name))
        finally:
            temporary.unlink(missing_ok=True)
