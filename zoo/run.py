"""Run folders: what training hands to export.

checkpoint/        the original (`zoo.original`)
evaluation.npz     the test split: `raw` (what the codec reads), `targets`, and `<graph>/<port>` arrays
calibration.npz    training rows, `<graph>/<port>` arrays
published.npz      a smaller evaluation.npz, where an item of that is too large to be published (optional)
run.json           the fields of `Run`
files/             label or tokenizer files that the artifact must carry (optional)
pictures/          PNG files for the model card (optional)
"""

from __future__ import annotations

import dataclasses
import os
import zipfile
import zlib
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from zoo.errors import ArtifactError, DataError
from zoo.manifest import read_json, write_json
from zoo.spec import Arrays, Graph, Raws

RUN = "run.json"
EVALUATION = "evaluation.npz"
CALIBRATION = "calibration.npz"
PUBLISHED = "published.npz"
CHECKPOINT = "checkpoint"
FILES = "files"
PICTURES = "pictures"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What training says of itself.

    `codec` sets up the task's codec and `metric` names the task's metric; `data` has name, source, licence and the
    number of rows of each split; `metrics` are scored once on the test split, `validation` on the validation split;
    `curves` has one list a column, one entry an epoch, None where an epoch has no such figure;
    `seeds` has one entry for every seed that was tried.
    """

    model: str
    recipe: str
    summary: str
    codec: dict[str, Any]
    metric: str
    data: dict[str, Any]
    command: str
    seed: int
    settings: dict[str, Any]
    hardware: str
    versions: dict[str, str]
    started: str
    duration_s: float
    metrics: dict[str, float]
    validation: dict[str, float]
    curves: dict[str, list[Any]]
    reference: dict[str, Any] = field(default_factory=dict)
    seeds: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises ArtifactError when `folder` is no finished run."""
        try:
            return cls(**read_json(folder / RUN))
        except TypeError as error:
            raise ArtifactError(f"{folder / RUN} is malformed ({error}); train the model again.") from error

    def write(self, folder: Path) -> None:
        write_json(folder / RUN, dataclasses.asdict(self))


def load_arrays(path: Path) -> Arrays:
    """Arrays of an NPZ file; nothing pickled is read. Raises DataError when it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); train or fetch the model again.") from error


def graph_inputs(arrays: Mapping[str, np.ndarray], graph: Graph) -> Arrays:
    """The arrays of one graph's input ports out of the `<graph>/<port>` arrays of a file; empty where it has none.

    States that the file leaves out are zero.
    """
    prefix = f"{graph.name}/"
    names = [port.name for port in graph.inputs]
    found = {name: arrays[prefix + name] for name in names if prefix + name in arrays}
    return graph.complete(found) if found else {}


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a compressed NPZ file whose bytes depend on the arrays only, not on the clock."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(arrays):
                info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(info, "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.ascontiguousarray(arrays[name]), allow_pickle=False)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def raw_arrays(raws: Raws) -> Arrays:
    """`raw` of an evaluation file; items of different lengths lie end to end, `raw_length` has the length of each."""
    if isinstance(raws, np.ndarray):
        return {"raw": raws}
    return {"raw": np.concatenate(list(raws)), "raw_length": np.array([len(raw) for raw in raws], dtype=np.int64)}


def raw_items(arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The raw items that `raw_arrays` laid down."""
    if "raw_length" in arrays:
        return np.split(arrays["raw"], np.cumsum(arrays["raw_length"])[:-1])
    return list(arrays["raw"])


def take_rows(arrays: Mapping[str, np.ndarray], rows: np.ndarray, whole: Container[str] = ()) -> Arrays:
    """The samples at these row numbers, in their order; arrays named in `whole` are one input, and stay as they are."""
    raws = raw_items(arrays)
    chosen = [raws[row] for row in rows]
    rest = {name: array if name in whole else array[rows] for name, array in arrays.items() if not name.startswith("raw")}
    return {**rest, **raw_arrays(chosen if "raw_length" in arrays else np.stack(chosen))}
