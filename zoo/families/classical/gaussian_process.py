"""Gaussian process regression: a normal distribution of the value at every point, from the rows that were seen.

    μ(x) = k(x)ᵀ α,   α = K⁻¹ t,   K = [k(x_i, x_j)] + σ_n² I = L Lᵀ,   k(x, z) = σ_f² exp(−|x − z|² / 2ℓ²)
    σ²(x) = σ_f² − |L⁻¹ k(x)|² + σ_n²: of a new target, its noise included

Book: Rasmussen and Williams (2006), algorithm 2.1, https://gaussianprocess.org/gpml/. α and L⁻¹ are weights here, found by
whoever fits; the graph needs no factorisation.

The variance is a small difference of large numbers, so both outputs are computed in float64 whatever the weights are, and
rounded to the input's precision at the end. This is a module that takes over the numbers of a fitted estimator: the
estimator has no method for the deviation alone, and in float32 its converted graph is off by more than a thousandth.

Shape letters: B batch, I input features, N rows that were seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    in_features: int = 1
    num_rows: int = 100  # that were seen
    low: float = 0
    high: float = 1  # range of a feature


class GaussianProcess(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        rows = config.num_rows
        span = config.high - config.low
        self.rows = nn.Parameter(config.low + span * torch.rand(rows, config.in_features))
        self.alpha = nn.Parameter(torch.randn(rows))
        self.whitening = nn.Parameter(torch.tril(torch.randn(rows, rows)) / rows)  # L⁻¹
        self.signal_variance = nn.Parameter(torch.ones(()))  # σ_f²
        self.length = nn.Parameter(torch.tensor(span / 4))  # ℓ
        self.noise_variance = nn.Parameter(torch.tensor(0.01))  # σ_n²

    def forward(self, x_BI: Tensor) -> tuple[Tensor, Tensor]:
        signal, length, noise = (each.double() for each in (self.signal_variance, self.length, self.noise_variance))
        offsets_BNI = (x_BI.double()[:, None] - self.rows.double()) / length
        kernel_BN = signal * torch.exp(-0.5 * offsets_BNI.square().sum(dim=-1))
        value_B = kernel_BN @ self.alpha.double()
        known_B = (kernel_BN @ self.whitening.double().T).square().sum(dim=-1)
        deviation_B = ((signal - known_B).clamp(min=0) + noise).sqrt()
        return value_B.to(x_BI.dtype), deviation_B.to(x_BI.dtype)  # (B,), (B,)


def graphs(config: Config) -> tuple[Graph, ...]:
    x = Port(
        name="x", dtype="float32", shape=("batch", config.in_features), doc="features", low=config.low, high=config.high
    )
    value = Port(name="value", dtype="float32", shape=("batch",), doc="mean of a new target")
    deviation = Port(
        name="deviation", dtype="float32", shape=("batch",), doc="standard deviation of a new target, noise included", low=0
    )
    return (Graph(inputs=(x,), outputs=(value, deviation)),)


FAMILY = Family(
    task="tabular-regression",
    config=Config,
    build=GaussianProcess,
    graphs=graphs,
    tiny=Config(in_features=2, num_rows=5),
    paper="https://gaussianprocess.org/gpml/",
)
