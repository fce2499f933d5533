"""Vector quantiser: a point is described by the nearest of a few prototypes.

    y = argmin_j |x − c_j|        x̂ = c_y

k-means (Lloyd 1982, https://doi.org/10.1109/TIT.1982.1056489; MacQueen 1967) and self-organising maps (Kohonen 1982,
https://doi.org/10.1007/BF00337288) differ in how they find the prototypes and in what is known of them: those of a map have
places on a grid beside the ones in the space of x, z_y beside c_y. `rows` and `columns` lay the prototypes out, row by row,
so that prototype j is in row ⌊j / columns⌋; where the layout has no meaning there is one row.

The graph gives the distances with a minus in front: the winner has the largest. Two prototypes that are equally near are
told apart by their number, the first wins.

Shape letters: B batch, I features, U prototypes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    in_features: int = 64
    rows: int = 1
    columns: int = 10

    @property
    def units(self) -> int:
        return self.rows * self.columns


class VectorQuantiser(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.prototypes_UI = nn.Parameter(torch.rand(config.units, config.in_features))

    def forward(self, x_BI: Tensor) -> tuple[Tensor, Tensor]:
        offsets_BUI = x_BI[:, None] - self.prototypes_UI  # |x|² − 2xᵀc + |c|² would cancel next to a prototype
        nearness_BU = -offsets_BUI.square().sum(dim=-1).sqrt()
        return nearness_BU.argmax(dim=-1), nearness_BU  # (B,), (B, U)

    def prototype(self, label_B: Tensor) -> Tensor:
        return self.prototypes_UI[label_B]  # (B, I)


def graphs(config: Config) -> tuple[Graph, ...]:
    last = config.units - 1
    x = Port(name="x", dtype="float32", shape=("batch", config.in_features), doc="features; pixel intensity", low=0, high=1)
    label = Port(
        name="label", dtype="int64", shape=("batch",), doc="number of the nearest prototype, row by row", low=0, high=last,
        argmax_of="nearness",
    )  # fmt: skip
    nearness = Port(
        name="nearness", dtype="float32", shape=("batch", config.units), doc="minus the distance to each prototype", high=0
    )
    chosen = Port(name="label", dtype="int64", shape=("batch",), doc="number of a prototype", low=0, high=last)
    pixels = Port(name="pixels", dtype="float32", shape=("batch", config.in_features), doc="the prototype itself")
    return (
        Graph(inputs=(x,), outputs=(label, nearness)),
        Graph(name="prototype", methods=("prototype",), inputs=(chosen,), outputs=(pixels,)),
    )


FAMILY = Family(
    task="vector-quantisation",
    config=Config,
    build=VectorQuantiser,
    graphs=graphs,
    tiny=Config(in_features=5, rows=2, columns=3),
    paper="https://doi.org/10.1109/TIT.1982.1056489",
)
