"""Autoencoder of one hidden layer: a code from which the input is rebuilt; what it is trained for decides what it is like.

    h = s(W x + b)    x̂ = σ(V h + c)

Papers: Rumelhart, Hinton, Williams (1986), https://doi.org/10.1038/323533a0; Vincent et al. (2008) on denoising,
https://doi.org/10.1145/1390156.1390294; Rifai et al. (2011) on contraction, https://icml.cc/2011/papers/455_icmlpaper.pdf,
both with tied weights, V = Wᵀ, which are free here. `decode` gives the pixels' log-odds, V h + c.

Shape letters: B batch, I pixels, H hidden features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.spec import Family, Graph, Port

ACTIVATIONS = {"relu": torch.relu, "sigmoid": torch.sigmoid}
HIGHEST = {"relu": 4.0, "sigmoid": 1.0}  # of a code that is drawn


@dataclass(frozen=True, kw_only=True)
class Config:
    pixels: int = 784
    hidden: int = 64
    activation: str = "relu"  # s: relu, sigmoid


class Autoencoder(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.encoder = nn.Linear(config.pixels, config.hidden)
        self.decoder = nn.Linear(config.hidden, config.pixels)
        self.activation = ACTIVATIONS[config.activation]

    def encode(self, x_BI: Tensor) -> Tensor:
        return self.activation(self.encoder(x_BI))  # (B, H)

    def decode(self, code_BH: Tensor) -> Tensor:
        return self.decoder(code_BH)  # log-odds of the pixels, (B, I)


def graphs(config: Config) -> tuple[Graph, ...]:
    shape = ("batch", config.hidden)
    x = Port(name="x", dtype="float32", shape=("batch", config.pixels), doc="pixel intensity", low=0, high=1)
    doc = "activity of the hidden features"
    high = 1 if config.activation == "sigmoid" else None
    encoded = Port(name="code", dtype="float32", shape=shape, doc=doc, low=0, high=high)
    code = Port(name="code", dtype="float32", shape=shape, doc=doc, low=0, high=HIGHEST[config.activation])
    logits = Port(name="logits", dtype="float32", shape=("batch", config.pixels), doc="log-odds of each pixel", unit="nats")
    return (
        Graph(name="encode", methods=("encode",), inputs=(x,), outputs=(encoded,)),
        Graph(name="decode", methods=("decode",), inputs=(code,), outputs=(logits,)),
    )


FAMILY = Family(
    task="image-reconstruction",
    config=Config,
    build=Autoencoder,
    graphs=graphs,
    tiny=Config(pixels=9, hidden=5),
    paper="https://doi.org/10.1038/323533a0",
)
