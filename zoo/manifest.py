"""What an artifact says of itself: `manifest.json` (what the model is) and `certificate.json` (what was proven of it).

The hash chain has one direction: a hub's index holds the hash of `certificate.json`, which holds those of every other
file, the manifest included. Only `card.md` is bound by the index instead.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar, get_origin, get_type_hints

from zoo.errors import ArtifactError, IntegrityError, SpecError, UnknownNameError
from zoo.spec import Graph, graph_from_json, graph_to_json

FORMAT = 1
CERTIFICATE = "certificate.json"
MANIFEST = "manifest.json"
CARD = "card.md"
UNBOUND = (CERTIFICATE, CARD)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything about a model but its weights and its proof.

    `config` builds the original from its family; `codec` sets up the task's codec; `data` names source, licence and
    splits; `training` is the run's command, seed, hardware, duration and results; `metrics` are the figures on the
    test split; `reference` the published figures that stand beside them.
    """

    model: str
    version: int
    family: str
    task: str
    kind: str
    paper: str
    summary: str
    parameters: int
    graphs: tuple[Graph, ...]
    config: dict[str, Any]
    codec: dict[str, Any]
    data: dict[str, Any]
    training: dict[str, Any]
    metrics: dict[str, float]
    reference: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def graph(self, name: str) -> Graph:
        for graph in self.graphs:
            if graph.name == name:
                return graph
        raise UnknownNameError(f"graph of {self.model}", name, [graph.name for graph in self.graphs])

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises ArtifactError when `folder` holds no manifest that this version understands."""
        data = read_json(folder / MANIFEST)
        try:
            return _typed(cls(**{**data, "graphs": tuple(graph_from_json(graph) for graph in data["graphs"])}))
        except (KeyError, TypeError, ValueError, AttributeError, SpecError) as error:
            raise ArtifactError(f"{folder / MANIFEST} is malformed ({error}); export or fetch it again.") from error

    def write(self, folder: Path) -> None:
        data = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        write_json(folder / MANIFEST, {**data, "graphs": [graph_to_json(graph) for graph in self.graphs]})


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What was compared with what, on which bytes, with which versions and options, and how close it came.

    `files` maps every file but `card.md` and the certificate itself to its SHA-256. `graphs` holds, for each graph and
    output, the floor and the largest error by kind of input, and the bound that a served answer must keep. `metric` is the
    task metric of the graphs beside the original's, `twins` the verdict on each variant, `opsets` the opset matrix.
    """

    model: str
    version: int
    passed: bool
    files: dict[str, str]
    graphs: dict[str, Any]
    inputs: dict[str, Any]
    versions: dict[str, str]
    options: dict[str, Any]
    factor: int
    seed: int
    metric: dict[str, Any] = field(default_factory=dict)
    twins: dict[str, Any] = field(default_factory=dict)
    opsets: list[dict[str, Any]] = field(default_factory=list)
    format: int = FORMAT

    @property
    def variants(self) -> list[str]:
        """Variants that ship beside the graphs."""
        return sorted(name for name, twin in self.twins.items() if twin["accepted"])

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises ArtifactError when `folder` holds no certificate that this version understands."""
        try:
            return _typed(cls(**read_json(folder / CERTIFICATE)))
        except (KeyError, TypeError) as error:
            raise ArtifactError(f"{folder / CERTIFICATE} is malformed ({error}); validate the model again.") from error

    def write(self, folder: Path) -> None:
        write_json(folder / CERTIFICATE, dataclasses.asdict(self))


Described = TypeVar("Described", bound=Manifest | Certificate)
_VALUES = {
    dict[str, str]: (str,),
    dict[str, float]: (int, float),
    dict[str, Any]: (str, int, float, bool, list, dict, type(None)),
}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that a certificate binds, by path relative to `folder`.

    Raises ArtifactError for a symbolic link: what it points to is not part of the artifact.
    """
    hashes = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise ArtifactError(f"{path} is a symbolic link; put the file itself into the artifact.")
        if path.is_file() and name not in UNBOUND:
            hashes[name] = sha256(path)
    return hashes


def verify(folder: Path, certificate: Certificate, *, partial: bool = False) -> None:
    """Raise IntegrityError, naming model and file, unless the files are those that were certified.

    `partial` accepts an artifact without its `original/`, which is fetched on request only.
    """
    if not certificate.passed:
        raise IntegrityError(f"The certificate of {certificate.model} does not say that it passed; validate it again.")
    found = file_hashes(folder)
    for name, expected in certificate.files.items():
        if name not in found:
            if partial and name.startswith("original/"):
                continue
            raise IntegrityError(f"{certificate.model}: {name} is missing; fetch the model again.")
        if found[name] != expected:
            raise IntegrityError(
                f"{certificate.model}: {name} differs from its certificate (SHA-256 {found[name][:12]}…, certified "
                f"{expected[:12]}…); fetch the model again."
            )
    for name in found:
        if name not in certificate.files:
            raise IntegrityError(f"{certificate.model}: {name} is not in the certificate; remove it.")


def _typed(found: Described) -> Described:
    """Raises TypeError for a field of another type than it is declared with."""
    for name, declared in get_type_hints(type(found)).items():
        kind, value = get_origin(declared) or declared, getattr(found, name)
        if type(value) is not kind or (kind is dict and not all(type(one) in _VALUES[declared] for one in value.values())):
            raise TypeError(f"{name} is {str(value)[:60]!r}")
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Raises ArtifactError when the file is missing or is no JSON object."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"There is no file {path}; export, validate or fetch the model first.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); export or fetch the model again.") from error
    if not isinstance(data, dict):
        raise ArtifactError(f"{path} holds a {type(data).__name__}, not an object; export or fetch the model again.")
    return data


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write `data` so that a reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
