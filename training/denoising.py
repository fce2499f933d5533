"""The objective of a diffusion model: find the noise.

    L = E ‖ε − ε_θ(√ᾱ_t x + √(1 − ᾱ_t) ε, t)‖²    t uniform in 1 … T, ε ~ N(0, I)

Ho et al. (2020), https://arxiv.org/abs/2006.11239, equation 14, here as the mean over pixels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.recipe import Batch


def noise_loss(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
    """Mean squared error of the noise in pictures `x` (−1 … 1), each at one random timestep; 1 where none is found."""
    x = batch["x"]
    device = generator.device
    t = torch.randint(1, len(model.alpha_bar), (len(x),), generator=generator, device=device).to(x.device)
    epsilon = torch.randn(x.shape, generator=generator, device=device).to(x)
    return functional.mse_loss(model.denoise(model.noisy(x, t, epsilon), t), epsilon)
