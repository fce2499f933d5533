"""Hopfield network: a state that falls into a stored pattern.

    x(t + 1) = clip(W x(t) + b, −1, 1)    W = e^h QᵀQ + e^−τh (I − QᵀQ)    b = (1 − e^−τh) (1 + 1/τ) (I − QᵀQ) p

Paper: Hopfield (1982), https://doi.org/10.1073/pnas.79.8.2554, with units between −1 and 1 that all change together. The
weights are those of Li, Michel and Porod (1989), https://doi.org/10.1109/31.41297: the rows of Q are an orthonormal basis
of the differences between the patterns, p any of them. In a time h the state grows along these differences by e^h, away
from the middle of the patterns, and shrinks across them by e^−τh, until the clipping stops it in a corner. Corners that are
no pattern may hold it too, and points between the patterns hold it until it is moved off them by the smallest distance. Only
Q and b are kept: for P patterns they have P numbers a unit, where W has one for every two units.

A row has settled once no unit changes by more than `STILL`, and stays as it is; it stops in any case after `limit` steps.
What becomes of a row is its own affair: others of its batch only make the loop go on. A row that starts as near to one
pattern as to another goes to a point between them, from where rounding takes it away: e^hn times as far after n steps.

Shape letters: B batch, U units, P patterns, R = P − 1 differences of patterns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.loops import while_loop
from zoo.spec import Family, Graph, Port

STILL = 1e-5  # largest change of a unit in a step that leaves a state where it is
DECIMALS = 12  # of Q: what would be 0 but for the rounding of a decomposition is 0


@dataclass(frozen=True, kw_only=True)
class Config:
    units: int = 2
    patterns: int = 3
    h: float = 0.15  # time of one step
    tau: float = 10.0  # how much faster a state shrinks across the patterns' differences than it grows along them
    max_steps: int = 100


class Hopfield(nn.Module):
    """Patterns drawn at random are stored until others are."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.grow, self.shrink = math.exp(config.h), math.exp(-config.tau * config.h)
        self.push = (1 - self.shrink) * (1 + 1 / config.tau)
        self.basis = nn.Parameter(torch.zeros(config.patterns - 1, config.units))
        self.bias = nn.Parameter(torch.zeros(config.units))
        self.store(torch.randint(2, (config.patterns, config.units)) * 2 - 1)

    @torch.no_grad()
    def store(self, patterns_PU: Tensor) -> None:
        """Make corners of −1 and 1 the attractors, in place of those before."""
        patterns_PU = patterns_PU.double()
        differences_RU = patterns_PU[:-1] - patterns_PU[-1]
        _, sizes, basis_RU = torch.linalg.svd(differences_RU, full_matrices=False)
        independent = sizes > 1e-9  # of entries 0 and ±2: the others are about 1
        basis_RU = (basis_RU * independent[:, None]).round(decimals=DECIMALS)
        across_U = patterns_PU[-1] - patterns_PU[-1] @ basis_RU.T @ basis_RU
        self.basis.zero_()[: len(basis_RU)].copy_(basis_RU)
        self.bias.copy_((self.push * across_U).round(decimals=DECIMALS))

    def weight(self) -> Tensor:
        """W, (U, U)."""
        along_UU = self.basis.T @ self.basis
        return self.grow * along_UU + self.shrink * (torch.eye(len(along_UU)).to(along_UU) - along_UU)

    def step(self, x_BU: Tensor) -> Tensor:
        """The next state, computed in float64: growth would make much of how a sum was rounded."""
        basis_RU, wide_BU = self.basis.double(), x_BU.double()
        along_BU = functional.linear(wide_BU, basis_RU) @ basis_RU
        next_BU = self.shrink * wide_BU + (self.grow - self.shrink) * along_BU + self.bias.double()
        return next_BU.clamp(-1, 1).to(x_BU)

    def recall(self, x_BU: Tensor, limit_B: Tensor) -> Tensor:
        """The state that each row comes to."""

        def moving(change_B: Tensor, left_B: Tensor) -> Tensor:
            return (change_B > STILL) & (left_B > 0)

        def condition(x_BU: Tensor, change_B: Tensor, left_B: Tensor) -> Tensor:
            return moving(change_B, left_B).any()

        def body(x_BU: Tensor, change_B: Tensor, left_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            moving_B, next_BU = moving(change_B, left_B), self.step(x_BU)
            moved_B = (next_BU - x_BU).abs().amax(dim=1)
            x_BU = torch.where(moving_B[:, None], next_BU, x_BU)
            return x_BU, torch.where(moving_B, moved_B, change_B), left_B - 1

        return while_loop(condition, body, (x_BU, torch.ones_like(x_BU[:, 0]), limit_B))[0]


def graphs(config: Config) -> tuple[Graph, ...]:
    shape = ("batch", config.units)
    x = Port(name="x", dtype="float32", shape=shape, doc="state to begin with", low=-1, high=1)
    limit = Port(
        name="limit", dtype="int64", shape=("batch",), doc="steps after which a row stops", low=1, high=config.max_steps,
        role="parameter",
    )  # fmt: skip
    state = Port(name="state", dtype="float32", shape=shape, doc="state that the row came to", low=-1, high=1)
    return (Graph(name="recall", methods=("recall",), inputs=(x, limit), outputs=(state,)),)


FAMILY = Family(
    task="pattern-completion",
    config=Config,
    build=Hopfield,
    graphs=graphs,
    tiny=Config(units=5, patterns=3),
    paper="https://doi.org/10.1073/pnas.79.8.2554",
)
