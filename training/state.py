"""State of an unfinished run: safetensors and JSON, written so that a kill at any moment leaves a whole one.

Every epoch writes a new folder `epoch-<n>` under another name, flushes it to disk, renames it, and then removes the
older ones. The newest folder of that name is therefore always complete.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Tensors = dict[str, torch.Tensor]


@dataclass
class TrainState:
    """Everything that a run needs to go on as if it had not stopped: after `epoch` finished epochs.

    `progress` holds curves, best loss, epochs since then and seconds spent, JSON-able. `average` is empty where no
    averaged weights are kept.
    """

    epoch: int
    weights: Tensors
    average: Tensors
    best: Tensors
    optimizers: list[dict[str, Any]]
    progress: dict[str, Any]


def save_state(folder: Path, state: TrainState) -> None:
    target = folder / f"epoch-{state.epoch:05d}"
    temporary = folder / f".writing-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name in ("weights", "average", "best"):
        save_file(_plain(getattr(state, name)), temporary / f"{name}.safetensors")
    scalars = []
    for number, optimizer in enumerate(state.optimizers):
        tensors, rest = _flatten(optimizer)
        save_file(tensors, temporary / f"optimizer-{number}.safetensors")
        scalars.append(rest)
    data = {"epoch": state.epoch, "optimizers": scalars, "progress": state.progress}
    (temporary / "state.json").write_text(json.dumps(data))
    for path in temporary.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(target, ignore_errors=True)
    temporary.replace(target)
    for old in folder.iterdir():
        if old != target:
            shutil.rmtree(old, ignore_errors=True)


def load_state(folder: Path) -> TrainState | None:
    """The newest state below `folder`, None where there is none."""
    folders = sorted(folder.glob("epoch-*"))
    if not folders:
        return None
    newest = folders[-1]
    data = json.loads((newest / "state.json").read_text())
    weights, average, best = (load_file(newest / f"{name}.safetensors") for name in ("weights", "average", "best"))
    optimizers = [
        _unflatten(load_file(newest / f"optimizer-{number}.safetensors"), scalars)
        for number, scalars in enumerate(data["optimizers"])
    ]
    return TrainState(data["epoch"], weights, average, best, optimizers, data["progress"])


def _plain(tensors: Tensors) -> Tensors:
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _flatten(state: dict[str, Any]) -> tuple[Tensors, dict[str, Any]]:
    """An optimiser's state as tensors `<parameter>.<name>` and the rest, which is JSON-able."""
    tensors: Tensors = {}
    scalars: dict[str, dict[str, Any]] = {}
    for parameter, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{parameter}.{name}"] = value
            else:
                scalars.setdefault(str(parameter), {})[name] = value
    return _plain(tensors), {"scalars": scalars, "param_groups": state["param_groups"]}


def _unflatten(tensors: Tensors, rest: dict[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {int(key): dict(values) for key, values in rest["scalars"].items()}
    for name, tensor in tensors.items():
        parameter, _, field = name.partition(".")
        state.setdefault(int(parameter), {})[field] = tensor
    return {"state": state, "param_groups": rest["param_groups"]}
