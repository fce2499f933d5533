"""Names of files that an index may use: those that mean the same file, inside the artifact's folder, on every disk."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import IntegrityError
from zoo.manifest import CARD, CERTIFICATE, MANIFEST

MODEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
SHA256 = re.compile(r"[0-9a-f]{64}")
MOST_FILES = 10_000
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_ARCHIVES = (
    ".zip", ".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst", ".lz4", ".whl", ".jar", ".egg",
    ".nemo", ".mar",
)  # fmt: skip
_PICKLED = (".pkl", ".pickle", ".pt", ".pth", ".pt2", ".ckpt", ".joblib", ".dill", ".cloudpickle")


@dataclass(frozen=True)
class File:
    """Content of a file, by hash, and its size in bytes."""

    sha256: str
    bytes: int


def files_of(reference: str, entry: Mapping[str, Any]) -> dict[str, File]:
    """The files of an index's entry for `reference`. Raises IntegrityError for one that must not be fetched."""
    listed = entry.get("files")
    if not isinstance(listed, dict) or not 0 < len(listed) <= MOST_FILES:
        raise IntegrityError(f"{reference}: the index lists no files for it; publish it again.")
    files = {}
    for name, about in listed.items():
        sha, size = (about.get("sha256"), about.get("bytes")) if isinstance(about, dict) else (None, None)
        if not isinstance(sha, str) or not SHA256.fullmatch(sha) or type(size) is not int or size < 0:
            raise IntegrityError(f"{reference}: the index gives {name!r} no SHA-256 and size; publish it again.")
        files[name] = File(sha, size)
    check_names(reference, files)
    for name, bound in ((CERTIFICATE, "certificate"), (CARD, "card")):
        if name not in files or files[name].sha256 != entry.get(bound):
            raise IntegrityError(f"{reference}: the index contradicts itself about {name}; publish it again.")
    if MANIFEST not in files:
        raise IntegrityError(f"{reference}: the index lists no {MANIFEST}; publish it again.")
    return files


def check_names(reference: str, names: Iterable[str]) -> None:
    """Raise IntegrityError for a name that leaves the folder, that some disk reads differently, or of a forbidden kind."""
    seen: dict[str, str] = {}
    for name in names:
        reason = _reason(name)
        if reason:
            raise IntegrityError(f"{reference}: the file {name!r} {reason}; it is not taken.")
        parts = name.split("/")
        for depth in range(1, len(parts) + 1):
            spelled = "/".join(parts[:depth]) + ("" if depth == len(parts) else "/")
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", spelled).casefold()).rstrip("/")
            other = seen.setdefault(folded, spelled)
            if other != spelled:
                raise IntegrityError(
                    f"{reference}: {name!r} and {other!r} are one file on disks that ignore case; neither is taken."
                )


def _reason(name: str) -> str:
    parts = name.split("/")
    if not name or len(name) > 200 or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        return "has no usable name"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in parts or "\\" in name:
        return "leaves the artifact's folder"
    if any(
        part in ("", ".") or part[-1] in ". " or re.search(r'[<>:"|?*]', part) or _RESERVED.fullmatch(part) for part in parts
    ):
        return "has a name that not every disk can hold"
    if name.lower().endswith(_ARCHIVES):
        return "is an archive"
    if name.lower().endswith(_PICKLED):
        return "may hold pickled code"
    return ""
