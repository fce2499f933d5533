"""What a file must not hold, whatever it is called: pickled code, or an archive other than arrays."""

from __future__ import annotations

import pickletools
import re
import zipfile
from pathlib import Path

from zoo.errors import IntegrityError

_ARCHIVES = {
    b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!": "rar", b"\x28\xb5\x2f\xfd": "zstandard", b"\x04\x22\x4d\x18": "lz4",
}  # fmt: skip
_OF_ARRAYS = (".npz", ".skops")  # zip files of .npy arrays, and skops's schema
_IMPORTS = {"GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"}  # nothing is called that was not imported
_MOST_PARSED = 1 << 20
_OBJECTS = re.compile(rb"'descr':[^:]*\|?O\d?['\"]")  # an .npy header that announces pickled objects


def check_content(reference: str, name: str, path: Path) -> None:
    """Raise IntegrityError for a pickle, an archive, or a file of arrays with something else in it."""
    with path.open("rb") as file:
        head = file.read(512)
    kind = next((kind for magic, kind in _ARCHIVES.items() if head.startswith(magic)), "")
    if head[257:262] == b"ustar":
        kind = "tar"
    if kind == "zip" and name.lower().endswith(_OF_ARRAYS):
        _check_arrays(reference, name, path)
    elif kind:
        raise IntegrityError(f"{reference}: the file {name!r} is a {kind} archive; it is not taken.")
    elif _is_pickle(path):
        raise IntegrityError(f"{reference}: the file {name!r} holds pickled code; it is not taken.")


def _is_pickle(path: Path) -> bool:
    """Whether unpickling would run code, whatever follows the pickle.

    By the header of protocol 2 and later, if a pickle ends or something is imported; else by a pickle that imports and ends.
    """
    with path.open("rb") as file:
        start = file.read(_MOST_PARSED)
    headed = start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5")
    imports = ended = False
    try:
        for opcode, _, _ in pickletools.genops(start):
            imports |= opcode.name in _IMPORTS
            ended |= opcode.name == "STOP"
    except Exception:  # whatever the parser meets in bytes that are no pickle, or go on
        ended = False
    return (imports or ended) if headed else (imports and ended)


def _check_arrays(reference: str, name: str, path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.filename.endswith((".npy", ".json")):
                    raise IntegrityError(f"{reference}: {name!r} holds {member.filename!r}, no array; it is not taken.")
                with archive.open(member) as file:
                    if _OBJECTS.search(file.read(256)):
                        raise IntegrityError(f"{reference}: {name!r} holds pickled objects; it is not taken.")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise IntegrityError(f"{reference}: {name!r} is a damaged file of arrays ({error}); it is not taken.") from error
