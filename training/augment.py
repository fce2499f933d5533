"""Changes to training rows that leave their meaning as it is."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.recipe import Batch, Settings


def turn_and_move(batch: Batch, settings: Settings, generator: torch.Generator) -> Batch:
    """The pictures `x` (B, C, H, W) turned and moved, each by its own random angle and offset of at most `settings.rotate`
    degrees and `settings.shift` pixels; what comes in from outside is zero."""
    if not settings.shift and not settings.rotate:
        return batch
    return {**batch, "x": _turned(batch["x"], settings, generator)}


def _turned(x_BCHW: Tensor, settings: Settings, generator: torch.Generator) -> Tensor:
    batch, size = len(x_BCHW), x_BCHW.shape[-1]
    angle, dx, dy = (torch.rand(3, batch, generator=generator, device=generator.device) * 2 - 1).to(x_BCHW.device)
    angle = angle * math.radians(settings.rotate)
    pixels = 2 * settings.shift / size
    rows = [torch.cos(angle), -torch.sin(angle), dx * pixels, torch.sin(angle), torch.cos(angle), dy * pixels]
    theta = torch.stack(rows, dim=1).view(batch, 2, 3)
    grid = functional.affine_grid(theta, list(x_BCHW.shape), align_corners=False)
    return functional.grid_sample(x_BCHW, grid, align_corners=False)


def crop_and_flip(batch: Batch, settings: Settings, generator: torch.Generator) -> Batch:
    """The pictures `x` (B, C, H, W) moved by at most `settings.shift` whole pixels, and every second one mirrored.

    What comes in from outside is zero: the mean colour of normalised pictures. He et al. (2016), section 4.2.
    """
    x_BCHW, most = batch["x"], settings.shift
    number, _, height, width = x_BCHW.shape
    device = x_BCHW.device
    down, right = torch.randint(2 * most + 1, (2, number, 1), generator=generator, device=generator.device).to(device)
    mirrored = (torch.rand(number, 1, generator=generator, device=generator.device) < 0.5).to(device)
    across = torch.arange(width, device=device)
    rows_BH = down + torch.arange(height, device=device)
    columns_BW = right + torch.where(mirrored, across.flip(0), across)
    padded_BHWC = functional.pad(x_BCHW, (most, most, most, most)).permute(0, 2, 3, 1)
    picture = torch.arange(number, device=device)[:, None, None]
    cropped_BHWC = padded_BHWC[picture, rows_BH[:, :, None], columns_BW[:, None, :]]
    return {**batch, "x": cropped_BHWC.permute(0, 3, 1, 2)}
