"""Perceptron: one unit that says on which side of a plane its input is.

    a = wᵀx + b,    y = 1 if a > 0, else 0        S4 (2), (3); on the plane itself the answer is 0

Paper: Rosenblatt (1958), https://doi.org/10.1037/h0042519, of whose machine this is the last, learning layer. The graph also
gives −a and a as the scores of the two classes: they say how far the input is from the plane in units of 1/|w|.

Shape letters: B batch, I input features, K = 2 classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    in_features: int = 4
    low: float = 0
    high: float = 1  # range of a feature


class Perceptron(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.unit = nn.Linear(config.in_features, 1)

    def forward(self, x_BI: Tensor) -> tuple[Tensor, Tensor]:
        activation_B = self.unit(x_BI)[:, 0]
        return (activation_B > 0).long(), torch.stack([-activation_B, activation_B], dim=-1)  # (B,), (B, K)


def graphs(config: Config) -> tuple[Graph, ...]:
    x = Port(
        name="x", dtype="float32", shape=("batch", config.in_features), doc="features", low=config.low, high=config.high
    )
    label = Port(name="label", dtype="int64", shape=("batch",), doc="class number", low=0, high=1, argmax_of="scores")
    scores = Port(name="scores", dtype="float32", shape=("batch", 2), doc="the activation of class 1, negative for class 0")
    return (Graph(inputs=(x,), outputs=(label, scores)),)


FAMILY = Family(
    task="tabular-classification",
    config=Config,
    build=Perceptron,
    graphs=graphs,
    tiny=Config(in_features=3),
    paper="https://doi.org/10.1037/h0042519",
)
