"""Run folders: what training hands to export.

checkpoint/        the original (`zoo.original`)
evaluation.npz     the test split: `raw` (what the codec reads), `targets`, and `<graph>/<port>` arrays
calibration.npz    training rows, `<graph>/<port>` arrays
run.json           the fields of `Run`
files/             label or tokenizer files that the artifact must carry (optional)
pictures/          PNG files for the model card (optional)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from zoo.errors import ArtifactError, DataError
from zoo.manifest import read_json, write_json
from zoo.spec import Arrays, Graph

RUN = "run.json"
EVALUATION = "evaluation.npz"
CALIBRATION = "calibration.npz"
CHECKPOINT = "checkpoint"
FILES = "files"
PICTURES = "pictures"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What training says of itself.

    `codec` sets up the task's codec and `metric` names the task's metric; `data` has name, source, licence and the
    number of rows of each split; `metrics` are scored once on the test split, `validation` on the validation split;
    `curves` has one list a column, one entry an epoch; `seeds` has one entry for every seed that was tried.
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
    curves: dict[str, list[float]]
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
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}); train or fetch the model again.") from error


def graph_inputs(arrays: Mapping[str, np.ndarray], graph: Graph) -> Arrays:
    """The arrays of one graph's input ports out of the `<graph>/<port>` arrays of a file; empty where it has none."""
    prefix = f"{graph.name}/"
    names = [port.name for port in graph.inputs]
    return {name: arrays[prefix + name] for name in names if prefix + name in arrays}
