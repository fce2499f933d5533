"""Variational autoencoder with a factorised Gaussian posterior and Bernoulli pixels.

    q(z|x) = N(μ(x), diag σ²(x))    p(z) = N(0, I)    p(x|z) = Bernoulli(σ(decoder(z)))    z = μ + σ ⊙ ε, ε ~ N(0, I)

Paper: Kingma and Welling (2014), https://arxiv.org/abs/1312.6114, appendix C; ReLU where it has tanh. `encode` gives μ and
log σ², `decode` the pixels' log-odds, so neither graph draws noise.

Shape letters: B batch, I pixels, H hidden features, Z latent dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    pixels: int = 784
    hidden: int = 256
    latent: int = 16


class VAE(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(config.pixels, config.hidden), nn.ReLU())
        self.mean = nn.Linear(config.hidden, config.latent)
        self.log_variance = nn.Linear(config.hidden, config.latent)
        self.decoder = nn.Sequential(
            nn.Linear(config.latent, config.hidden), nn.ReLU(), nn.Linear(config.hidden, config.pixels)
        )

    def encode(self, x_BI: Tensor) -> tuple[Tensor, Tensor]:
        hidden_BH = self.encoder(x_BI)
        return self.mean(hidden_BH), self.log_variance(hidden_BH)  # both (B, Z)

    def decode(self, z_BZ: Tensor) -> Tensor:
        return self.decoder(z_BZ)  # log-odds of the pixels, (B, I)


def graphs(config: Config) -> tuple[Graph, ...]:
    code = ("batch", config.latent)
    x = Port(name="x", dtype="float32", shape=("batch", config.pixels), doc="pixel intensity", low=0, high=1)
    mean = Port(name="mean", dtype="float32", shape=code, doc="mean of q(z|x)")
    log_variance = Port(name="log_variance", dtype="float32", shape=code, doc="log σ² of q(z|x)", unit="nats")
    z = Port(name="z", dtype="float32", shape=code, doc="code; N(0, I) under the prior", low=-4, high=4)
    logits = Port(name="logits", dtype="float32", shape=("batch", config.pixels), doc="log-odds of each pixel", unit="nats")
    return (
        Graph(name="encode", methods=("encode",), inputs=(x,), outputs=(mean, log_variance)),
        Graph(name="decode", methods=("decode",), inputs=(z,), outputs=(logits,)),
    )


FAMILY = Family(
    task="image-reconstruction",
    config=Config,
    build=VAE,
    graphs=graphs,
    tiny=Config(pixels=9, hidden=6, latent=2),
    paper="https://arxiv.org/abs/1312.6114",
)
