"""Originals: the source models that graphs are views of, and their checkpoints.

A checkpoint is a folder with `config.json` (family and configuration) and the weights: `weights.safetensors` for a
torch module, `estimator.skops` for an estimator, read with the family's allow-list. Nothing is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from zoo.errors import ArtifactError, CheckpointError, SpecError, UnknownNameError
from zoo.manifest import read_json, write_json
from zoo.registry import load_family
from zoo.spec import Arrays, Family, Graph

CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
ESTIMATOR = "estimator.skops"


class Original:
    """A source model with its family and configuration."""

    def __init__(self, family_name: str, config: Any, model: Any) -> None:
        self.family_name = family_name
        self.family: Family = load_family(family_name)
        self.config = config
        self.model = model

    @classmethod
    def build(cls, family_name: str, config: Any) -> Self:
        """An untrained original."""
        return cls(family_name, config, load_family(family_name).build(config))

    @property
    def graphs(self) -> tuple[Graph, ...]:
        return self.family.graphs(self.config)

    def graph(self, name: str) -> Graph:
        return next(graph for graph in self.graphs if graph.name == name)

    def num_parameters(self) -> int:
        """Trainable parameters of a module; of an estimator the numbers that its graph stores are counted at export."""
        if self.family.kind == "estimator":
            return 0
        return sum(parameter.numel() for parameter in self.model.parameters())

    def call(self, graph: Graph, inputs: Mapping[str, np.ndarray], dtype: str = "float32") -> Arrays:
        """Outputs of the graph's methods, computed by the original itself.

        Float inputs are cast to `dtype` (float32 or float64), which a module must already have (`cast`). Float outputs
        keep the precision that they were computed in.
        """
        if self.family.kind == "estimator":
            return _call_estimator(self.model, graph, inputs)
        return call_module(self.model, graph, graph.complete(dict(inputs)), dtype)

    def cast(self, dtype: str) -> Self:
        """Convert a module's weights to `dtype` in place; an estimator computes as it does."""
        if self.family.kind == "torch":
            import torch

            self.model.to(getattr(torch, dtype)).eval()
        return self

    def save(self, folder: Path) -> None:
        """Write the checkpoint; `folder` is the old one or the new one, never half of one."""
        temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        config = {"family": self.family_name, "config": dataclasses.asdict(self.config)}
        write_json(temporary / CONFIG, config)
        if self.family.kind == "estimator":
            from zipfile import ZIP_DEFLATED

            import skops.io

            skops.io.dump(self.model, temporary / ESTIMATOR, compression=ZIP_DEFLATED, compresslevel=9)
        else:
            from safetensors.torch import save_file

            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.model.state_dict().items()}
            save_file(tensors, temporary / WEIGHTS)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Rebuild the original from its checkpoint. Raises CheckpointError when it is damaged or does not fit."""
        try:
            data = read_json(folder / CONFIG)
            family = load_family(data["family"])
            original = cls.build(data["family"], config_from_json(family.config, data["config"]))
        except (ArtifactError, UnknownNameError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise CheckpointError(f"{folder / CONFIG} is no checkpoint's configuration: {error}") from error
        if family.kind == "estimator":
            original.model = _load_estimator(folder / ESTIMATOR, family)
        else:
            _load_weights(folder / WEIGHTS, original.model)
        return original


def config_from_json(config: type, data: Mapping[str, Any]) -> Any:
    """A configuration from its JSON form: lists become the tuples that frozen dataclasses hold.

    Raises TypeError for an unknown field.
    """
    return config(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


def call_module(model: Any, graph: Graph, inputs: Mapping[str, np.ndarray], dtype: str) -> Arrays:
    """Outputs of a torch module's method by port name; the module must have `dtype` (float32 or float64) already."""
    import torch

    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    arrays = [
        torch.from_numpy(np.array(inputs[port.name], dtype if port.is_float else None)).to(device) for port in graph.inputs
    ]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            outputs = getattr(model, graph.methods[0])(*arrays)
    except Exception as error:  # the original's own code
        raise SpecError(
            f"The original's {graph.methods[0]} cannot be called with the inputs of graph {graph.name!r} "
            f"({type(error).__name__}: {str(error).strip()[:200]}); name another method, or mend its ports."
        ) from error
    finally:
        model.train(training)
    values = outputs if isinstance(outputs, tuple) else (outputs,)
    if len(values) != len(graph.outputs):
        raise SpecError(f"{graph.methods[0]} returned {len(values)} outputs; graph {graph.name!r} has {len(graph.outputs)}.")
    for value in values:
        if not isinstance(value, torch.Tensor):
            raise SpecError(f"{graph.methods[0]} returned a {type(value).__name__}; return a tensor, or a tuple of them.")
    return {port.name: value.cpu().numpy() for port, value in zip(graph.outputs, values, strict=True)}


def _call_estimator(model: Any, graph: Graph, inputs: Mapping[str, np.ndarray]) -> Arrays:
    """Each method is called on the only input; integer results take the port's dtype, floats stay as computed."""
    (x,) = (inputs[port.name] for port in graph.inputs)
    outputs = {}
    for port, method in zip(graph.outputs, graph.methods, strict=True):
        value = np.asarray(getattr(model, method)(x))
        outputs[port.name] = value if port.is_float else value.astype(port.dtype)
    return outputs


def _load_weights(path: Path, model: Any) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{path} does not fit its configuration or is damaged: {error}") from error
    model.eval()


def _load_estimator(path: Path, family: Family) -> Any:
    import skops.io

    try:
        estimator = skops.io.load(path, trusted=list(family.trusted))
        if family.inspect:
            family.inspect(estimator)
        return estimator
    except Exception as error:  # skops raises what the damaged part of the file leads to
        raise CheckpointError(f"{path} is damaged or holds types that its family does not trust: {error}") from error
