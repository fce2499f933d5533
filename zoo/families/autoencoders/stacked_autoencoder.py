"""Stacked autoencoder: layers trained one after the other to rebuild what the layer below gives, and a classifier on top.

    h₀ = x    hₖ = σ(Wₖ hₖ₋₁ + bₖ)    ĥₖ₋₁ = σ(Vₖ hₖ + cₖ)    logits = U h_n + d

`decode` applies the decoders Vₖ from the last to the first and ends at the pixels' log-odds; they belong to the layers as
they were before the whole was tuned to the classes. Papers: Bengio et al. (2007), Greedy Layer-Wise Training of Deep
Networks, https://papers.nips.cc/paper/3048-greedy-layer-wise-training-of-deep-networks; Vincent et al. (2010),
https://jmlr.org/papers/v11/vincent10a.html.

Shape letters: B batch, I pixels, H features of the last layer, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    pixels: int = 784
    hidden: tuple[int, ...] = (128, 64)
    classes: int = 10


class Layer(nn.Module):
    def __init__(self, below: int, features: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(below, features)
        self.decoder = nn.Linear(features, below)


class StackedAutoencoder(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(*sizes) for sizes in pairwise((config.pixels, *config.hidden)))
        self.head = nn.Linear(config.hidden[-1], config.classes)

    def encode(self, x_BI: Tensor) -> Tensor:
        return self._features(x_BI, len(self.layers))  # (B, H)

    def forward(self, x_BI: Tensor) -> Tensor:
        return self.head(self.encode(x_BI))  # logits, (B, K)

    def decode(self, code_BH: Tensor) -> Tensor:
        *others, first = [cast(Layer, layer).decoder for layer in reversed(self.layers)]
        for decoder in others:
            code_BH = torch.sigmoid(decoder(code_BH))
        return first(code_BH)  # log-odds of the pixels, (B, I)

    def reconstruction_error(self, x_BI: Tensor, layer: int) -> Tensor:
        """Squared error (B,) of one layer's input, rebuilt from its output, summed over features; layers below stay."""
        with torch.no_grad():
            below = self._features(x_BI, layer)
        trained = cast(Layer, self.layers[layer])
        rebuilt = torch.sigmoid(trained.decoder(torch.sigmoid(trained.encoder(below))))
        return functional.mse_loss(rebuilt, below, reduction="none").sum(dim=1)

    def _features(self, x_BI: Tensor, depth: int) -> Tensor:
        for layer in list(self.layers)[:depth]:
            x_BI = torch.sigmoid(cast(Layer, layer).encoder(x_BI))
        return x_BI


def graphs(config: Config) -> tuple[Graph, ...]:
    x = Port(name="x", dtype="float32", shape=("batch", config.pixels), doc="pixel intensity", low=0, high=1)
    logits = Port(name="logits", dtype="float32", shape=("batch", config.classes), doc="log-odds, unnormalised", unit="nats")
    shape = ("batch", config.hidden[-1])
    code = Port(name="code", dtype="float32", shape=shape, doc="activity of the last layer", low=0, high=1)
    pixels = Port(name="logits", dtype="float32", shape=("batch", config.pixels), doc="log-odds of each pixel", unit="nats")
    return (
        Graph(inputs=(x,), outputs=(logits,)),
        Graph(name="encode", methods=("encode",), inputs=(x,), outputs=(code,)),
        Graph(name="decode", methods=("decode",), inputs=(code,), outputs=(pixels,)),
    )


FAMILY = Family(
    task="image-classification",
    config=Config,
    build=StackedAutoencoder,
    graphs=graphs,
    tiny=Config(pixels=9, hidden=(6, 5), classes=3),
    paper="https://papers.nips.cc/paper/3048-greedy-layer-wise-training-of-deep-networks",
)
