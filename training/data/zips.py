"""What a folder of a zip archive holds, wherever that folder lies in it.

A public repository's archive puts everything below a folder of its own name and commit; a copy of one folder does not. Both
hold the same files, so a checksum is taken of these: names and contents, in the order of the names.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path

from zoo.errors import DataError

_DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError)


def members(path: Path, folder: str) -> dict[str, bytes]:
    """Files below the first folder of this name, by their path in it, sorted. Raises DataError for a damaged archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {_below(info.filename, folder): info for info in archive.infolist() if not info.is_dir()}
            return {name: archive.read(names[name]) for name in sorted(names) if name}
    except _DAMAGES as error:
        raise DataError(f"{path} is a damaged zip archive ({error}); delete it and fetch it again.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); make it readable, or delete it.") from error


def digest(path: Path, folder: str) -> str:
    """SHA-256 of the names and contents of `members`; '' of a damaged archive."""
    hasher = hashlib.sha256()
    try:
        for name, content in members(path, folder).items():
            hasher.update(f"{name}\0{len(content)}\0".encode())
            hasher.update(content)
    except DataError:
        return ""
    return hasher.hexdigest()


def _below(name: str, folder: str) -> str:
    """The path below `folder`; '' of what is not in it."""
    parts = name.split("/")
    return "/".join(parts[parts.index(folder) + 1 :]) if folder in parts[:-1] else ""
