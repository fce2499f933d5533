"""Threshold logic in two layers: every unit adds up its weighted inputs and fires when the sum is above its threshold.

    y_j = 1 if Σ_i w_ji x_i + b_j > 0, else 0        S4 (2), (3); the threshold is −b_j

Paper: McCulloch and Pitts (1943), https://doi.org/10.1007/BF02478259, whose units have excitatory inputs of equal weight and
inhibitory ones that veto; here weights are numbers, as seed 004 has them. A sum that is exactly at the threshold does not
fire. The units of the second layer read those of the first; all of them are outputs, since each is a logical function.

A step has no useful gradient, so nothing is learnt by descent: the weights are set. Inputs are 0 or 1 by intent; levels
between are added up as they are, and a row within float32 rounding of a threshold may fall on either side of it.

Shape letters: B batch, I inputs, H units of the first layer, K units of the second.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    in_features: int = 2
    hidden: int = 4  # units that read the inputs
    outputs: int = 1  # units that read those


class ThresholdLogic(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.first = nn.Linear(config.in_features, config.hidden)
        self.second = nn.Linear(config.hidden, config.outputs)

    def forward(self, x_BI: Tensor) -> Tensor:
        hidden_BH = fire(self.first(x_BI))
        return torch.cat([hidden_BH, fire(self.second(hidden_BH))], dim=-1).long()  # 0 or 1, (B, H + K)


def fire(activation: Tensor) -> Tensor:
    """1 where the activation is above 0, else 0, in its own dtype."""
    return (activation > 0).to(activation.dtype)


def graphs(config: Config) -> tuple[Graph, ...]:
    x = Port(name="x", dtype="float32", shape=("batch", config.in_features), doc="levels: 0 is off, 1 is on", low=0, high=1)
    y = Port(
        name="y", dtype="int64", shape=("batch", config.hidden + config.outputs), doc="which units fire, first layer first",
        low=0, high=1,
    )  # fmt: skip
    return (Graph(inputs=(x,), outputs=(y,)),)


FAMILY = Family(
    task="tabular-classification",
    config=Config,
    build=ThresholdLogic,
    graphs=graphs,
    tiny=Config(in_features=3, hidden=5, outputs=2),
    paper="https://doi.org/10.1007/BF02478259",
)
