"""Where a token stands: sinusoids that are added to it, or turns of its queries and keys.

Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 3.5; Su et al. (2021), https://arxiv.org/abs/2104.09864.

Shape letters: B batch, T tokens, G groups of R heads, N numbers a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

WAVELENGTH = 10_000.0  # of the slowest sinusoid, divided by 2 π


@dataclass(frozen=True)
class Rotation:
    """Turns the pair of the numbers n and n + N / 2 of a head: cosines, and sines that begin negative, (…, T, 1, 1, N)."""

    cos: Tensor
    sin: Tensor

    def turn(self, x_BTGRN: Tensor) -> Tensor:
        first, second = x_BTGRN.chunk(2, dim=-1)
        return x_BTGRN * self.cos + torch.cat([second, first], dim=-1) * self.sin


def angles(positions: int, width: int) -> Tensor:
    """position / 10000^(2i / width), (positions, width / 2)."""
    frequency = WAVELENGTH ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    return torch.arange(positions, dtype=torch.float64)[:, None] * frequency


def waves(positions: int, width: int) -> Tensor:
    """Sinusoidal positions: sine and cosine of every angle in turn, (positions, width)."""
    angle = angles(positions, width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).float()


def turns(positions: int, width: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of a rotation by every position, (positions, width) each."""
    angle = angles(positions, width)
    return angle.cos().repeat(1, 2).float(), torch.cat([-angle.sin(), angle.sin()], dim=-1).float()
