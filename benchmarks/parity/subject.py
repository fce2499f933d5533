"""What faults are planted in: the graphs of all published models, and the benchmark's own networks."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
from onnx import ModelProto
from torch import Tensor, nn

import zoo
from benchmarks.parity.images import IMAGES
from benchmarks.parity.network import Damage, Network
from benchmarks.parity.sequences import SEQUENCES
from benchmarks.parity.vectors import VECTORS
from export.exporter import convert
from export.reference import Reference, TorchReference
from zoo.hub import GOLDEN, ORIGINAL, Hub
from zoo.original import Original
from zoo.run import graph_inputs, load_arrays
from zoo.spec import Arrays, Graph

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d, nn.RMSNorm)


@dataclass
class Subject:
    """A graph, its right export and whatever builds the original anew. `number` is the graph's place in its model."""

    name: str
    graph: Graph
    model: ModelProto
    reference: Callable[[], Reference]
    export_seconds: float
    build: Callable[[], nn.Module] | None = None  # None of an estimator
    samples: Arrays = field(default_factory=dict)
    damages: dict[str, Damage] = field(default_factory=dict)
    number: int = 0

    @property
    def key(self) -> str:
        """Hash of the file that is judged."""
        return hashlib.sha256(self.model.SerializeToString(deterministic=True)).hexdigest()

    def damaged(self) -> Iterator[tuple[str, ModelProto]]:
        """Exports of sources with a fault, by kind: what no edit of the file can plant, as the exporter folds it away."""
        if self.build is None:
            return
        for kind, damage in {**self.damages, **_general(self.build())}.items():
            module = self.build()
            damage(module)
            yield kind, _convert(module, self.graph)


class BatchStatistics(nn.Module):
    """A batch norm that was left in training mode."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(x.dim())]
        centred = x - x.mean(axes, keepdim=True)
        unit = centred / (centred.square().mean(axes, keepdim=True) + self.norm.eps).sqrt()
        return unit * self.norm.weight.reshape(shape) + self.norm.bias.reshape(shape)


def subjects(names: list[str] | None = None) -> Iterator[Subject]:
    """All of them, or those whose names begin with one of `names`."""
    for network in (*IMAGES, *SEQUENCES, *VECTORS):
        if names is None or any(network.name.startswith(name) for name in names):
            yield _drawn(network)
    for model in zoo.names():
        if names is None or any(model.startswith(name) for name in names):
            yield from _published(model)


def _published(name: str) -> Iterator[Subject]:
    artifact = Hub().artifact(name)
    folder, samples = artifact.folder, load_arrays(artifact.folder / GOLDEN)
    original = Original.load(folder / ORIGINAL)
    module = original.family.kind == "torch"
    for number, graph in enumerate(artifact.manifest.graphs):
        started = time.perf_counter()
        convert(original, graph)
        seconds = time.perf_counter() - started
        yield Subject(
            name=name if graph.name == "predict" else f"{name} {graph.name}",
            graph=graph,
            model=onnx.load(folder / graph.file),
            reference=_checkpoint_reference(folder / ORIGINAL),
            export_seconds=seconds,
            build=(lambda: Original.load(folder / ORIGINAL).model) if module else None,
            samples=graph_inputs(samples, graph),
            number=number,
        )


def _checkpoint_reference(checkpoint: Path) -> Callable[[], Reference]:
    from export.reference import load_reference

    return lambda: load_reference(checkpoint)


def _drawn(network: Network) -> Subject:
    started = time.perf_counter()
    model = _convert(network.build(), network.graph)
    seconds = time.perf_counter() - started
    return Subject(
        name=network.name,
        graph=network.graph,
        model=model,
        reference=lambda: TorchReference(network.build),
        export_seconds=seconds,
        build=network.build,
        damages=dict(network.damages),
    )


def _convert(module: nn.Module, graph: Graph) -> ModelProto:
    """By the zoo's own exporter, which asks its original for a family's kind and a module only."""
    source = SimpleNamespace(family=SimpleNamespace(kind="torch"), model=module.eval())
    source.cast = lambda dtype: source
    return convert(source, graph)  # type: ignore[arg-type]


def _general(module: nn.Module) -> dict[str, Damage]:
    """Faults of the source that any module with such layers can have."""
    found: dict[str, Damage] = {}
    if any(isinstance(child, NORMS) for child in module.modules()):
        found["wrong epsilon"] = _loosen
    if any(isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d) for child in module.modules()):
        found["batch norm in training mode"] = _use_batch
    return found


def _loosen(module: nn.Module) -> None:
    for child in module.modules():
        if isinstance(child, NORMS):
            child.eps = 100 * (child.eps or 1e-7)


def _use_batch(module: nn.Module) -> None:
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                setattr(parent, name, BatchStatistics(child))
