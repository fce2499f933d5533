"""Networks on rows of numbers and sets of points. Shape letters: B batch, I features, H hidden, N points."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.parity.network import Network
from zoo.spec import Axis, Graph, Port


class GatedMLP(nn.Module):
    """RMS norm before a gated layer; Zhang and Sennrich (2019), Shazeer (2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(16, eps=1e-6)
        self.gate, self.up, self.down = nn.Linear(16, 24, bias=False), nn.Linear(16, 24, bias=False), nn.Linear(24, 16)
        self.last, self.head = nn.RMSNorm(16, eps=1e-6), nn.Linear(16, 4)

    def forward(self, x_BI: Tensor) -> Tensor:
        normed_BI = self.norm(x_BI)
        x_BI = x_BI + self.down(F.silu(self.gate(normed_BI)) * self.up(normed_BI))
        return self.head(self.last(x_BI))


class Autoencoder(nn.Module):
    """Hinton and Salakhutdinov (2006), one hidden layer each way."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 4), nn.Linear(4, 16), nn.Softplus(), nn.Linear(16, 36), nn.Sigmoid()
        )

    def forward(self, x_BI: Tensor) -> Tensor:
        return self.layers(x_BI)


class TwoHeads(nn.Module):
    """Action scores and one value, as an actor and critic share a trunk; Mnih et al. (2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(8, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh())
        self.policy, self.value = nn.Linear(24, 5), nn.Linear(24, 1)

    def forward(self, x_BI: Tensor) -> tuple[Tensor, Tensor]:
        hidden_BH = self.trunk(x_BI)
        return self.policy(hidden_BH).softmax(-1), self.value(hidden_BH).squeeze(-1)


class Scalar(nn.Module):
    """A regression with one unit at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(10, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 1)
        )

    def forward(self, x_BI: Tensor) -> Tensor:
        return self.layers(x_BI)


class MixedScales(nn.Module):
    """A regression that answers in natural units: one output in thousands, one about one, one in thousandths."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(9, 24), nn.Tanh(), nn.Linear(24, 3))
        self.register_buffer("mean", torch.tensor([5e4, 0.3, 2e-3]))
        self.register_buffer("spread", torch.tensor([9e3, 1.0, 1e-3]))

    def forward(self, x_BI: Tensor) -> Tensor:
        return self.layers(x_BI) * self.spread + self.mean


class Points(nn.Module):
    """A set of points in any order; Qi et al. (2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
        self.all = nn.Sequential(nn.Linear(16, 12), nn.LeakyReLU(0.1), nn.Linear(12, 4))

    def forward(self, x_BN3: Tensor) -> Tensor:
        return self.all(self.each(x_BN3).amax(1))


class Direction(nn.Module):
    """An embedding of length one, and how near it is to a few prototypes; Schroff et al. (2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(12, 20), nn.LayerNorm(20), nn.GELU(approximate="none"), nn.Linear(20, 8))
        self.prototypes = nn.Parameter(torch.randn(8, 6))

    def forward(self, x_BI: Tensor) -> tuple[Tensor, Tensor]:
        unit_BH = F.normalize(self.layers(x_BI), dim=-1)
        return unit_BH, torch.exp(-2 * (1 - unit_BH @ F.normalize(self.prototypes, dim=0)))


class Lottery(nn.Module):
    """A wide classifier whose last layer gives probabilities, most of them small."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 64), nn.ReLU())
        self.head = nn.Linear(64, 12)

    def forward(self, x_BI: Tensor) -> Tensor:
        return torch.softmax(6 * self.head(self.layers(x_BI)), dim=-1)


def _x(*shape: int | str, low: float, high: float) -> Port:
    return Port(name="x", dtype="float32", shape=("batch", *shape), low=low, high=high)


def _outputs(**shapes: tuple[int, ...]) -> tuple[Port, ...]:
    return tuple(Port(name=name, dtype="float32", shape=("batch", *shape)) for name, shape in shapes.items())


VECTORS = (
    Network("rmsnorm-mlp", GatedMLP, Graph(inputs=(_x(16, low=-2, high=2),), outputs=_outputs(logits=(4,)))),
    Network("autoencoder", Autoencoder, Graph(inputs=(_x(36, low=0, high=1),), outputs=_outputs(y=(36,)))),
    Network("two-heads", TwoHeads, Graph(inputs=(_x(8, low=-3, high=3),), outputs=_outputs(policy=(5,), value=()))),
    Network("scalar-head", Scalar, Graph(inputs=(_x(10, low=-2, high=2),), outputs=_outputs(y=(1,)))),
    Network("mixed-scales", MixedScales, Graph(inputs=(_x(9, low=-2, high=2),), outputs=_outputs(y=(3,)))),
    Network(
        "points",
        Points,
        Graph(
            inputs=(_x("points", 3, low=-1, high=1),), outputs=_outputs(logits=(4,)), axes=(Axis(name="points", high=40),)
        ),
    ),
    Network("direction", Direction, Graph(inputs=(_x(12, low=-2, high=2),), outputs=_outputs(unit=(8,), likeness=(6,)))),
    Network("probabilities", Lottery, Graph(inputs=(_x(16, low=-1, high=1),), outputs=_outputs(p=(12,)))),
)
