"""A raw file as its public source has it, and whether some local file is that one.

The checksum is of the unpacked content: gzip writes a header of its own for every packer and date, so two archives of
one file differ while what they hold does not. Where a source publishes the checksum of the archive itself, `packed` says so.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from zoo.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"
_UNPACKING_ERRORS = (gzip.BadGzipFile, EOFError, zlib.error)


@dataclass(frozen=True, kw_only=True)
class RawFile:
    """`path` is `<folder>/<file>`, below `$ZOO_DATA` and below the cache alike.

    `sha256` is of the unpacked content, or with `packed` of the file as it is stored; with `folder`, of what that folder of
    a zip archive holds (`training.data.zips`); with `content`, of what that makes of the file, where the same numbers lie in
    several formats. `url` is empty for a file that has no public address of its own.
    """

    url: str
    path: str
    sha256: str
    packed: bool = False
    folder: str = ""
    content: Callable[[bytes], bytes] | None = None

    @property
    def forms(self) -> tuple[str, ...]:
        """The paths under which the file may lie, packed and unpacked."""
        if self.packed or self.folder:
            return (self.path,)
        unpacked = self.path.removesuffix(".gz")
        return f"{unpacked}.gz", unpacked


def read(path: Path) -> bytes:
    """The content of a file, unpacked where it is gzip. Raises DataError when it is damaged gzip or cannot be opened."""
    try:
        with _open(path) as file:
            return file.read()
    except _UNPACKING_ERRORS as error:
        raise DataError(f"{path} is damaged gzip ({error}); delete it and fetch it again.") from error


def is_intact(path: Path, sha256: str, *, packed: bool = False) -> bool:
    """Whether the file, unpacked where it is gzip unless `packed`, has this checksum.

    Raises DataError when it cannot be opened.
    """
    try:
        with _open(path, packed=packed) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256  # type: ignore[arg-type]
    except _UNPACKING_ERRORS:
        return False


def _open(path: Path, *, packed: bool = False) -> BinaryIO | gzip.GzipFile:
    try:
        with path.open("rb") as file:
            unpack = not packed and file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        return gzip.open(path, "rb") if unpack else path.open("rb")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); make it readable, or delete it.") from error
