"""A hub as a folder with one folder a model: what came with the code, or what `zoo build` makes; opened in place.

Its index binds the certificates. It needs no signature: whoever can write there could change the code as well, or is the
user. A tree that everybody on the machine may write is refused.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.artifact import ORIGINAL, Artifact, index_entry
from zoo.errors import ArtifactError, IntegrityError, UnknownNameError, UsageError
from zoo.hubs.index import INDEX, check_entry
from zoo.hubs.paths import check_names
from zoo.hubs.store import Store
from zoo.manifest import CARD, CERTIFICATE, read_json, sha256, write_json

_HEAD = 200


def is_tree(root: Path) -> bool:
    """Whether a folder is a tree; else it holds blobs."""
    try:
        with (root / INDEX).open("rb") as file:
            return b'"layout":"blobs"' not in file.read(_HEAD)
    except OSError:
        return True


class Tree:
    """A folder of artifacts with an index. Raises UsageError when it is no folder."""

    def __init__(self, root: Path, *, trust_unsigned: bool = False) -> None:
        self.root = root
        self.label = str(root)
        if not root.is_dir():
            raise UsageError(f"The hub {root} is not a folder; set ZOO_HUB to one, or unset it.")
        if not trust_unsigned:
            _check_place(root)

    @cached_property
    def entries(self) -> dict[str, dict[str, Any]]:
        """What the index says of each model. Raises ArtifactError for a damaged one."""
        if not (self.root / INDEX).exists():
            return {}
        models = read_json(self.root / INDEX).get("models")
        if not isinstance(models, dict):
            raise ArtifactError(f"{self.root / INDEX} lists no models; publish again or fetch the hub again.")
        try:
            for name, entry in models.items():
                check_names(name, [name])
                check_entry(name, entry["version"], entry)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ArtifactError(
                f"{self.root / INDEX} is malformed ({error}); publish again or fetch the hub again."
            ) from error
        return models

    def versions(self, name: str) -> list[int]:
        return [self.entries[name]["version"]]

    def artifact(
        self, name: str, version: int | None, stores: Sequence[Store] = (), *, with_original: bool = False
    ) -> Artifact:
        """Opened in place; what an installed package was shipped without comes from the cache or `stores`, bound by this
        index."""
        entry, folder = self.entries[name], self.root / name
        if version not in (None, entry["version"]):
            raise UnknownNameError(f"version of {name}", str(version), [str(entry["version"])])
        files = entry.get("files", {})
        lacks_original = any(file.startswith(f"{ORIGINAL}/") and not (folder / file).exists() for file in files)
        if files and (not (folder / CERTIFICATE).exists() or (with_original and lacks_original)):
            from zoo.hubs.depot import Depot
            from zoo.hubs.pull import pull

            return pull(name, entry, stores, Depot(), with_original=with_original)
        for file in (CERTIFICATE, CARD):
            expected = entry["certificate" if file == CERTIFICATE else "card"]
            if not (folder / file).is_file() or sha256(folder / file) != expected:
                raise IntegrityError(f"{name}: {file} is not the one that the hub's index names; fetch it again.")
        return Artifact(folder)

    def write_index(self) -> None:
        """Describe every artifact below the root in `index.json`."""
        folders = [path.parent for path in sorted(self.root.glob(f"*/{CERTIFICATE}")) if path.parent.name[0] != "."]
        write_json(self.root / INDEX, {"models": {folder.name: index_entry(Artifact(folder)) for folder in folders}})
        self.__dict__.pop("entries", None)


def _check_place(root: Path) -> None:
    """Raise IntegrityError for a folder that others than this user and root may fill, or that was a signed hub."""
    about = root.stat()
    if os.name == "posix" and about.st_mode & stat.S_IWOTH:
        raise IntegrityError(
            f"The hub {root} may be written by everybody on this machine and is not signed; chmod o-w it, or choose "
            "--trust-unsigned."
        )
    if os.name == "posix" and about.st_uid not in (0, os.geteuid()):
        raise IntegrityError(
            f"The hub {root} belongs to another user and is not signed; copy it, or choose --trust-unsigned."
        )
    from zoo.hubs.depot import Depot
    from zoo.hubs.seen import was_signed

    if any(root.glob("*.sig")) or was_signed(Depot(), str(root.absolute())):
        raise IntegrityError(
            f"The hub {root} was signed, and its index is another kind now; ask its publisher, or choose --trust-unsigned."
        )
