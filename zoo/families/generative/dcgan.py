"""Deep convolutional generative adversarial network: a generator of pictures, and a discriminator of real ones from those.

    G(z) = pictures from z ~ N(0, I)    D(x) = σ(logit) = probability that x is real
    min_G max_D  E[log D(x)] + E[log(1 − D(G(z)))],  for fixed G solved by D* = p_data / (p_data + p_G)

Papers: Goodfellow et al. (2014), https://arxiv.org/abs/1406.2661; Radford, Metz, Chintala (2016),
https://arxiv.org/abs/1511.06434: strided convolutions, batch normalisation but in the first layer of D and the last of G,
ReLU in G, leaky ReLU in D, weights from N(0, 0.02²), pictures from −1, black, to 1, white.

Shape letters: B batch, Z latent dimensions, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    latent: int = 64
    channels: int = 1
    size: int = 28  # pixels, height and width; a multiple of 4
    features: tuple[int, int] = (96, 48)  # at a quarter and at half of the size


class Generator(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        quarter, half = config.features
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(config.latent, quarter, config.size // 4, bias=False),
            nn.BatchNorm2d(quarter),
            nn.ReLU(),
            nn.ConvTranspose2d(quarter, half, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.ConvTranspose2d(half, config.channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z_BZ: Tensor) -> Tensor:
        return self.layers(z_BZ[:, :, None, None])  # (B, C, H, W)


class Discriminator(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        quarter, half = config.features
        self.layers = nn.Sequential(
            nn.Conv2d(config.channels, half, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(half, quarter, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(quarter),
            nn.LeakyReLU(0.2),
            nn.Conv2d(quarter, 1, config.size // 4),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.layers(x_BCHW)[:, 0, 0, 0]  # log-odds, (B,)


class DCGAN(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.latent = config.latent
        self.generator, self.discriminator = Generator(config), Discriminator(config)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(module.weight, 0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1, 0.02)

    def generate(self, z_BZ: Tensor) -> Tensor:
        return self.generator(z_BZ)

    def discriminate(self, x_BCHW: Tensor) -> Tensor:
        return self.discriminator(x_BCHW)


def graphs(config: Config) -> tuple[Graph, ...]:
    shape = ("batch", config.channels, config.size, config.size)
    z = Port(name="z", dtype="float32", shape=("batch", config.latent), doc="code; N(0, I)", low=-4, high=4, role="noise")
    picture = Port(name="picture", dtype="float32", shape=shape, doc="−1 black, 1 white", low=-1, high=1)
    x = Port(name="x", dtype="float32", shape=shape, doc="−1 black, 1 white", low=-1, high=1)
    logit = Port(name="logit", dtype="float32", shape=("batch",), doc="log-odds that x is real", unit="nats")
    return (
        Graph(name="generate", methods=("generate",), inputs=(z,), outputs=(picture,)),
        Graph(name="discriminate", methods=("discriminate",), inputs=(x,), outputs=(logit,)),
    )


FAMILY = Family(
    task="image-generation",
    config=Config,
    build=DCGAN,
    graphs=graphs,
    tiny=Config(latent=3, size=8, features=(4, 3)),
    paper="https://arxiv.org/abs/1511.06434",
)
