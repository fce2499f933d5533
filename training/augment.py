"""Changes to training rows that leave their meaning as it is."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.recipe import Settings


def augment_pictures(x_BCHW: Tensor, settings: Settings, generator: torch.Generator) -> Tensor:
    """Pictures turned and moved, each by its own random angle and offset; what comes in from outside is zero."""
    if not settings.shift and not settings.rotate:
        return x_BCHW
    batch, size = len(x_BCHW), x_BCHW.shape[-1]
    angle, dx, dy = (torch.rand(3, batch, generator=generator, device=generator.device) * 2 - 1).to(x_BCHW.device)
    angle = angle * math.radians(settings.rotate)
    pixels = 2 * settings.shift / size
    rows = [torch.cos(angle), -torch.sin(angle), dx * pixels, torch.sin(angle), torch.cos(angle), dy * pixels]
    theta = torch.stack(rows, dim=1).view(batch, 2, 3)
    grid = functional.affine_grid(theta, list(x_BCHW.shape), align_corners=False)
    return functional.grid_sample(x_BCHW, grid, align_corners=False)
