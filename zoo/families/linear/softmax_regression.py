"""Softmax regression (multinomial logistic regression): one affine map, scores as log-odds.

P(y = k | x) = exp(w_kᵀx + b_k) / Σ_j exp(w_jᵀx + b_j)    (Bishop 2006, Pattern Recognition and Machine Learning, 4.104)

The graph gives the logits; the softmax, which subtracts the largest of them first, belongs to the codec.

Shape letters: B batch, I input features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    in_features: int = 64
    classes: int = 10


class SoftmaxRegression(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.affine = nn.Linear(config.in_features, config.classes)

    def forward(self, x_BI: Tensor) -> Tensor:
        return self.affine(x_BI)  # logits, (B, K)


def graphs(config: Config) -> tuple[Graph, ...]:
    x = Port(name="x", dtype="float32", shape=("batch", config.in_features), doc="features, flat", low=0, high=1)
    logits = Port(name="logits", dtype="float32", shape=("batch", config.classes), doc="log-odds, unnormalised", unit="nats")
    return (Graph(inputs=(x,), outputs=(logits,)),)


FAMILY = Family(
    task="image-classification",
    config=Config,
    build=SoftmaxRegression,
    graphs=graphs,
    tiny=Config(in_features=5, classes=3),
    paper="https://doi.org/10.1111/j.2517-6161.1958.tb00292.x",
)
