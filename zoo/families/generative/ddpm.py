"""Denoising diffusion model: a U-Net that predicts the noise in a picture, and the sampler that takes it away.

    q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I)    ᾱ_t = Π α_s, α_t = 1 − β_t, ᾱ_0 = 1    t = 1 … T
    x̂_0 = (x_t − √(1 − ᾱ_t) ε_θ(x_t, t)) / √ᾱ_t, clipped to [−1, 1]    ε̂ = (x_t − √ᾱ_t x̂_0) / √(1 − ᾱ_t)
    σ² = η² (1 − ᾱ_s) / (1 − ᾱ_t) · (1 − ᾱ_t / ᾱ_s)
    x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε̂ + σ z

Papers: Ho et al. (2020), https://arxiv.org/abs/2006.11239; Song et al. (2021), https://arxiv.org/abs/2010.02502, whose
equations 12 and 16 are the last two lines. A step may leave out any number of timesteps. With η = 1 and s = t − 1 it is the
ancestral step x_s = (x_t − β_t / √(1 − ᾱ_t) ε̂) / √α_t + σ z with Ho's σ² = β̃_t; with η = 0 it is DDIM, and z has no effect.
Where nothing is clipped, ε̂ is ε_θ; where something is, it is the noise that leads from x̂_0 to x_t, as in Ho's code. At the
last step, s = 0, σ is 0: no noise is left in the picture, which the update is often printed without. All noise comes in
through ports.

The schedule is the cosine of Nichol and Dhariwal (2021), https://arxiv.org/abs/2102.09672, equation 17, which ends at
`last` in place of their clipped β, so that β strictly grows. The U-Net (Ronneberger et al. 2015,
https://arxiv.org/abs/1505.04597) halves a picture twice; normalisation is over all of a picture's features, and t scales and
shifts the features of each block.

Shape letters: B batch, C channels, H height, W width, E embedded timestep, S steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from zoo.layers.loops import scan
from zoo.spec import Axis, Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    channels: int = 1
    size: int = 28  # pixels, height and width; a multiple of 4
    features: tuple[int, int, int] = (8, 40, 80)  # at the whole, half and quarter size
    embedding: int = 80  # features of a timestep
    timesteps: int = 200
    last: float = 1e-4  # ᾱ after the last timestep
    steps: int = 20  # most steps of one call of `sample`; more take several calls


def alpha_bar(timesteps: int, last: float) -> Tensor:
    """ᾱ_t for t = 0 … T in float64: (cos θ_t / cos θ_0)², θ from the paper's offset 0.008 to where ᾱ_T is `last`."""
    first = 0.008 / 1.008 * math.pi / 2
    end = math.acos(math.cos(first) * math.sqrt(last))
    angles = torch.linspace(first, end, timesteps + 1, dtype=torch.float64)
    return (torch.cos(angles) / math.cos(first)).square()


def positions(timesteps: int, features: int) -> Tensor:
    """Sines and cosines of every timestep (Vaswani et al. 2017, section 3.5), (T + 1, features)."""
    rates = torch.exp(-math.log(10_000) * torch.arange(features // 2, dtype=torch.float64) / (features // 2))
    angles = torch.arange(timesteps + 1, dtype=torch.float64)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def normalise(x_BCHW: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Mean 0 and variance 1 over all of a picture's features, then scaled and shifted: group normalisation with one group.

    Written out, because a reshape by the batch's size cannot be traced inside a Scan.
    """
    centred = x_BCHW - x_BCHW.mean((1, 2, 3), keepdim=True)
    variance = centred.square().mean((1, 2, 3), keepdim=True)
    return torch.addcmul(shift, centred, torch.rsqrt(variance + 1e-5) * scale)


class Norm(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features, 1, 1))
        self.shift = nn.Parameter(torch.zeros(features, 1, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return normalise(x_BCHW, self.scale, self.shift)


class Block(nn.Module):
    """Two convolutions beside a shortcut; the timestep scales and shifts what lies between them."""

    def __init__(self, before: int, after: int, embedding: int) -> None:
        super().__init__()
        self.first = nn.Sequential(Norm(before), nn.SiLU(), nn.Conv2d(before, after, 3, padding=1))
        self.time = nn.Linear(embedding, 2 * after)
        self.second = nn.Sequential(nn.SiLU(), nn.Conv2d(after, after, 3, padding=1))
        self.shortcut = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x_BCHW: Tensor, time_BE: Tensor) -> Tensor:
        scale, shift = self.time(time_BE)[:, :, None, None].chunk(2, dim=1)
        return self.shortcut(x_BCHW) + self.second(normalise(self.first(x_BCHW), 1 + scale, shift))


class UNet(nn.Module):
    positions: Tensor  # (T + 1, E)

    def __init__(self, config: Config) -> None:
        super().__init__()
        whole, half, quarter = config.features
        self.register_buffer("positions", positions(config.timesteps, config.embedding).float(), persistent=False)
        self.time = nn.Sequential(nn.Linear(config.embedding, config.embedding), nn.SiLU())
        self.stem = nn.Conv2d(config.channels, whole, 3, padding=1)
        self.to_half = nn.Conv2d(whole, half, 4, stride=2, padding=1)
        self.down = Block(half, half, config.embedding)
        self.to_quarter = nn.Conv2d(half, quarter, 4, stride=2, padding=1)
        self.middle = nn.ModuleList([Block(quarter, quarter, config.embedding) for _ in range(2)])
        self.from_quarter = nn.ConvTranspose2d(quarter, half, 4, stride=2, padding=1)
        self.up = Block(2 * half, half, config.embedding)
        self.from_half = nn.ConvTranspose2d(half, whole, 4, stride=2, padding=1)
        self.head = nn.Sequential(Norm(2 * whole), nn.SiLU(), nn.Conv2d(2 * whole, config.channels, 3, padding=1))

    def forward(self, x_BCHW: Tensor, t_B: Tensor) -> Tensor:
        time_BE = self.time(self.positions[t_B])
        whole = self.stem(x_BCHW)
        half = self.down(self.to_half(whole), time_BE)
        low = self.to_quarter(half)
        for block in self.middle:
            low = block(low, time_BE)
        high = self.up(torch.cat([self.from_quarter(low), half], dim=1), time_BE)
        return self.head(torch.cat([self.from_half(high), whole], dim=1))  # ε, (B, C, H, W)


class Diffusion(nn.Module):
    alpha_bar: Tensor  # (T + 1,)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.unet = UNet(config)
        self.register_buffer("alpha_bar", alpha_bar(config.timesteps, config.last).float(), persistent=False)

    def denoise(self, x_BCHW: Tensor, t_B: Tensor) -> Tensor:
        return self.unet(x_BCHW, t_B)

    def noisy(self, x_BCHW: Tensor, t_B: Tensor, epsilon_BCHW: Tensor) -> Tensor:
        """A draw of q(x_t | x_0), by the noise ε."""
        a = self.alpha_bar[t_B][:, None, None, None]
        return a.sqrt() * x_BCHW + (1 - a).sqrt() * epsilon_BCHW

    def step(self, x_BCHW: Tensor, t_B: Tensor, s_B: Tensor, z_BCHW: Tensor, eta_B: Tensor) -> Tensor:
        """x_s from x_t. Where s is not before t, σ is 0."""
        a_t, a_s = (self.alpha_bar[index][:, None, None, None] for index in (t_B, s_B))
        clean = ((x_BCHW - (1 - a_t).sqrt() * self.denoise(x_BCHW, t_B)) / a_t.sqrt()).clamp(-1, 1)
        epsilon = (x_BCHW - a_t.sqrt() * clean) / (1 - a_t).sqrt()
        eta = eta_B[:, None, None, None]
        variance = (eta.square() * (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)).clamp(min=0)
        return a_s.sqrt() * clean + (1 - a_s - variance).clamp(min=0).sqrt() * epsilon + variance.sqrt() * z_BCHW

    def sample(self, x_BCHW: Tensor, t_BS: Tensor, s_BS: Tensor, noise_BSCHW: Tensor, eta_B: Tensor) -> Tensor:
        """x after all steps."""

        def body(x_BCHW: Tensor, t_B: Tensor, s_B: Tensor, z_BCHW: Tensor) -> tuple[Tensor]:
            return (self.step(x_BCHW, t_B, s_B, z_BCHW, eta_B),)

        steps = tuple(each.transpose(0, 1) for each in (t_BS, s_BS, noise_BSCHW))
        (x_BCHW,), _ = scan(body, (x_BCHW,), steps)
        return x_BCHW


def graphs(config: Config) -> tuple[Graph, ...]:
    shape = (config.channels, config.size, config.size)
    many, last = ("batch", "steps"), config.timesteps
    x = Port(name="x", dtype="float32", shape=("batch", *shape), doc="noisy picture; N(0, I) before the first step")
    t = Port(name="t", dtype="int64", shape=("batch",), doc="timestep of x", low=1, high=last)
    epsilon = Port(name="epsilon", dtype="float32", shape=("batch", *shape), doc="noise found in x")
    doc = "x after the last step; at s = 0 a picture, −1 black, 1 white"
    picture = Port(name="picture", dtype="float32", shape=("batch", *shape), doc=doc, feeds="x")
    inputs = (
        replace(x, role="state"),
        Port(name="t", dtype="int64", shape=many, doc="timestep that each step starts from, falling", low=1, high=last),
        Port(name="s", dtype="int64", shape=many, doc="timestep that each step leads to; 0 at the last", low=0, high=last),
        Port(name="noise", dtype="float32", shape=(*many, *shape), doc="N(0, I); no effect where eta is 0", role="noise"),
        Port(name="eta", dtype="float32", shape=("batch",), doc="0 DDIM … 1 DDPM", low=0, high=1, role="parameter"),
    )
    steps = Axis(name="steps", high=config.steps, incremental=True)
    return (
        Graph(name="sample", methods=("sample",), inputs=inputs, outputs=(picture,), axes=(steps,)),
        Graph(name="denoise", methods=("denoise",), inputs=(x, t), outputs=(epsilon,)),
    )


FAMILY = Family(
    task="image-generation",
    config=Config,
    build=Diffusion,
    graphs=graphs,
    tiny=Config(size=8, features=(2, 4, 6), embedding=4, timesteps=6, steps=5),
    paper="https://arxiv.org/abs/2006.11239",
)
