"""The index of a hub: which versions of which models it has, and the files of each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from zoo.errors import ArtifactError, UnknownNameError
from zoo.hubs.paths import MODEL, SHA256

INDEX = "index.json"
FORMAT = 2
LAYOUT = "blobs"
MOST_BYTES = 256 << 20
_LISTED: dict[str, tuple[type, ...]] = {
    "task": (str,), "family": (str,), "summary": (str,), "licence": (str,), "parameters": (int,), "bytes": (int,),
    "graph_bytes": (int,), "graphs": (list,), "metrics": (dict,),
}  # fmt: skip


@dataclass
class Index:
    """Versions by model and number; `serial` grows with every change, so that an old index is known as such."""

    models: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    latest: dict[str, int] = field(default_factory=dict)
    serial: int = 0

    @classmethod
    def parse(cls, content: bytes, where: str) -> Index:
        """Raises ArtifactError for anything but an index of this format."""
        try:
            data = orjson.loads(content)
            if data["format"] != FORMAT or data["layout"] != LAYOUT:
                raise ArtifactError(f"The index of {where} has another format; update the zoo, or publish again.")
            index = cls(serial=data["serial"])
            for name, listing in data["models"].items():
                index.models[name] = {_number(number): entry for number, entry in listing["versions"].items()}
                index.latest[name] = listing["latest"]
            index._check()
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else error
            raise ArtifactError(f"The index of {where} is malformed ({reason}); publish it again.") from error
        return index

    def encode(self) -> bytes:
        models = {
            name: {"latest": self.latest[name], "versions": {str(number): entry for number, entry in versions.items()}}
            for name, versions in self.models.items()
        }
        document = {"format": FORMAT, "layout": LAYOUT, "serial": self.serial, "models": models}
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)

    def entry(self, name: str, version: int | None = None) -> dict[str, Any]:
        """Raises UnknownNameError."""
        if name not in self.models:
            raise UnknownNameError("model", name, self.models)
        number = self.latest[name] if version is None else version
        if number not in self.models[name]:
            raise UnknownNameError(f"version of {name}", str(number), map(str, self.models[name]))
        return self.models[name][number]

    def entries(self) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Every version of every model."""
        for name, versions in sorted(self.models.items()):
            for number, entry in sorted(versions.items()):
                yield name, number, entry

    def add(self, name: str, entry: dict[str, Any]) -> None:
        """Add a version; the highest is the latest."""
        self.models.setdefault(name, {})[entry["version"]] = entry
        self.latest[name] = max(self.models[name])

    def advance(self) -> None:
        """Give the index a serial above the one it had; it goes by the clock, so that a hub made anew is newer too."""
        self.serial = max(self.serial + 1, int(time.time()))

    def _check(self) -> None:
        if type(self.serial) is not int or self.serial < 0:
            raise ValueError(f"serial {self.serial!r}")
        for name, versions in self.models.items():
            if not MODEL.fullmatch(name):
                raise ValueError(f"a model named {name!r}")
            if type(self.latest[name]) is not int or self.latest[name] not in versions:
                raise ValueError(f"{name} has no version {self.latest[name]!r}, which it calls the latest")
            for number, entry in versions.items():
                check_entry(f"{name}@{number}", number, entry)
                if not isinstance(entry["files"], dict) or not entry["files"]:
                    raise ValueError(f"{name}@{number} lists no files")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or text[0] == "0" or len(text) > 9:
        raise ValueError(f"a version {text!r}")
    return int(text)


def check_entry(reference: str, number: int, entry: Mapping[str, Any]) -> None:
    """Only what lists are made of; files are checked when they are wanted. Raises ValueError, KeyError or TypeError."""
    for key, kinds in _LISTED.items():
        if type(entry[key]) not in kinds:
            raise ValueError(f"{reference} has {key} {entry[key]!r}")
    if entry["version"] != number or type(entry["version"]) is not int:
        raise ValueError(f"{reference} calls itself version {entry['version']!r}")
    if not all(type(value) in (int, float) for value in entry["metrics"].values()):
        raise ValueError(f"{reference} has metrics {entry['metrics']!r}")
    if not all(type(value) is str for value in entry["graphs"]):
        raise ValueError(f"{reference} has graphs {entry['graphs']!r}")
    if not all(isinstance(entry[bound], str) and SHA256.fullmatch(entry[bound]) for bound in ("certificate", "card")):
        raise ValueError(f"{reference} binds no certificate or card")
