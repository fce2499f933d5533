"""Restricted Boltzmann machine: binary visible and hidden units, joined across the two layers and not within them.

    E(v, h) = −aᵀv − bᵀh − hᵀWv    p(v, h) = e^−E / Z
    p(h_j = 1 | v) = σ(b_j + (Wv)_j)    p(v_i = 1 | h) = σ(a_i + (Wᵀh)_i)
    F(v) = −log Σ_h e^−E = −aᵀv − Σ_j log(1 + e^(b_j + (Wv)_j))

Papers: Smolensky (1986), Information processing in dynamical systems; Hinton (2002),
https://doi.org/10.1162/089976602760128018. A Gibbs step draws h given v and then v given h: a unit is on where its noise,
uniform from 0 to 1, is below its probability. Visible units that are kept stay as they came in, which completes a picture of
which a part is known. All noise comes in through ports. `gibbs` computes in float64, so that no bit depends on how a sum was
rounded, and compares u (1 + e^−x) with 1 where u < σ(x) is meant: a noise of 0 is below the smallest chance, which as a
float may be 0 too.

Shape letters: B batch, V visible units, H hidden units, S Gibbs steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.loops import scan
from zoo.spec import Axis, Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    visible: int = 784
    hidden: int = 100
    steps: int = 100  # most Gibbs steps of one call; more take several calls


class RBM(nn.Module):
    """Weights begin as N(0, 0.01²), as Hinton (2010) advises, https://www.cs.toronto.edu/~hinton/absps/guideTR.pdf."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.01 * torch.randn(config.hidden, config.visible))
        self.visible_bias = nn.Parameter(torch.zeros(config.visible))
        self.hidden_bias = nn.Parameter(torch.zeros(config.hidden))

    def hidden_given_visible(self, v_BV: Tensor) -> Tensor:
        return torch.sigmoid(functional.linear(v_BV, self.weight, self.hidden_bias))  # (B, H)

    def visible_given_hidden(self, h_BH: Tensor) -> Tensor:
        return torch.sigmoid(h_BH @ self.weight + self.visible_bias)  # (B, V)

    def free_energy(self, v_BV: Tensor) -> Tensor:
        """F, (B,), added up in float64: what counts is the difference of two."""
        inside_BH = functional.linear(v_BV, self.weight, self.hidden_bias)
        visible_B = (v_BV * self.visible_bias).double().sum(dim=1)
        return -(visible_B + functional.softplus(inside_BH).double().sum(dim=1)).to(v_BV)

    def gibbs(self, v_BV: Tensor, keep_BV: Tensor, hidden_BSH: Tensor, visible_BSV: Tensor) -> tuple[Tensor, Tensor]:
        """v after all steps, and the probabilities that the last drew it with; both as v came in where it is kept."""
        weight, a_V, b_H = (each.double() for each in (self.weight, self.visible_bias, self.hidden_bias))

        def body(v_BV: Tensor, p_BV: Tensor, hidden_BH: Tensor, visible_BV: Tensor) -> tuple[Tensor, Tensor]:
            on_BH = _below(hidden_BH, functional.linear(v_BV.double(), weight, b_H))
            x_BV = on_BH.double() @ weight + a_V
            on_BV, p_BV = _below(visible_BV, x_BV), torch.sigmoid(x_BV)
            kept_BV = keep_BV > 0.5
            return torch.where(kept_BV, v_BV, on_BV.to(v_BV)), torch.where(kept_BV, v_BV, p_BV.to(v_BV))

        (v_BV, p_BV), _ = scan(body, (v_BV, v_BV), (hidden_BSH.transpose(0, 1), visible_BSV.transpose(0, 1)))
        return v_BV, p_BV


def _below(noise: Tensor, x: Tensor) -> Tensor:
    """Whether noise is below σ(x)."""
    return noise.double() * (1 + torch.exp(-x)) < 1


def graphs(config: Config) -> tuple[Graph, ...]:
    visible, hidden = ("batch", config.visible), ("batch", config.hidden)
    v = Port(name="v", dtype="float32", shape=visible, doc="visible units, 0 or 1; their chances between", low=0, high=1)
    h = Port(name="h", dtype="float32", shape=hidden, doc="hidden units, 0 or 1; their chances between", low=0, high=1)
    chance = Port(name="p", dtype="float32", shape=hidden, doc="chance that each unit is on", low=0, high=1)
    energy = Port(
        name="energy", dtype="float32", shape=("batch",), doc="F(v), up to log Z the unlikelihood of v", unit="nats"
    )
    noise = Port(name="hidden_noise", dtype="float32", shape=("batch", "steps", config.hidden), role="noise", low=0, high=1)
    keep = Port(name="keep", dtype="float32", shape=visible, doc="above ½ where v stays", low=0, high=1, role="parameter")
    inputs = (
        replace(v, role="state"),
        keep,
        replace(noise, doc="uniform, for the hidden units of each step"),
        replace(noise, name="visible_noise", shape=("batch", "steps", config.visible), doc="uniform, for the visible units"),
    )
    outputs = (
        replace(v, name="sample", doc="v after the last step", feeds="v"),
        replace(chance, shape=visible, doc="chances that the sample was drawn with; v where that is kept"),
    )
    axes = (Axis(name="steps", high=config.steps, incremental=True),)
    return (
        Graph(name="hidden_given_visible", methods=("hidden_given_visible",), inputs=(v,), outputs=(chance,)),
        Graph(
            name="visible_given_hidden",
            methods=("visible_given_hidden",),
            inputs=(h,),
            outputs=(replace(chance, shape=visible),),
        ),
        Graph(name="free_energy", methods=("free_energy",), inputs=(v,), outputs=(energy,)),
        Graph(name="gibbs", methods=("gibbs",), inputs=inputs, outputs=outputs, axes=axes),
    )


FAMILY = Family(
    task="image-completion",
    config=Config,
    build=RBM,
    graphs=graphs,
    tiny=Config(visible=6, hidden=4, steps=9),
    paper="https://doi.org/10.1162/089976602760128018",
)
