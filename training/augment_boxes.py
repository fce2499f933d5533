"""Changes to training pictures that their boxes follow.

`x` is (B, C, H, W), `targets` (B, M, 5) class and left, top, right and bottom in shares of the picture, filled up with
rows of class −1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from training.recipe import Batch, Settings

VISIBLE = 0.3  # share of a box that must be left in the picture, else it is forgotten


def move_and_colour(zoom: float = 0.3, shift: float = 0.2, colour: float = 0.2) -> Callable[..., Batch]:
    """Pictures turned over each way, seen nearer or from farther away, moved, brighter or darker, each by chance.

    `zoom` is the largest change of the scale, for width and height together and half of it for each alone; `shift` the
    largest way in shares of the picture, `colour` the largest change of brightness, contrast and each colour. What comes in
    from outside is the picture's own edge.
    """

    def augment(batch: Batch, settings: Settings, generator: torch.Generator) -> Batch:
        x, targets = batch["x"], batch["targets"]

        def draw(count: int) -> Tensor:
            drawn = torch.rand(len(x), count, generator=generator, device=generator.device)
            return (2 * drawn - 1).to(x)

        scale_B2 = torch.exp(zoom * draw(1)) * torch.exp(zoom / 2 * draw(2))
        centre_B2 = 0.5 + shift * draw(2)
        flip_B2 = torch.sign(draw(2))
        moved = move_boxes(targets, scale_B2 * flip_B2, centre_B2)
        return {**batch, "x": _coloured(_seen(x, scale_B2 * flip_B2, centre_B2), colour, draw), "targets": moved}

    return augment


def move_boxes(targets_BM5: Tensor, scale_B2: Tensor, centre_B2: Tensor) -> Tensor:
    """The boxes where a picture is scaled about its middle, which goes to `centre_B2`; negative scales turn it over.

    Boxes are cut at the picture's edges; one of which too little is left becomes a row of class −1.
    """
    corners_BM22 = targets_BM5[..., 1:].unflatten(-1, (2, 2))
    there = (corners_BM22 - 0.5) * scale_B2[:, None, None] + centre_B2[:, None, None]
    low_BM2, high_BM2 = there.amin(dim=2), there.amax(dim=2)
    cut = torch.cat([low_BM2, high_BM2], dim=-1).clamp(0, 1)
    left_BM = (cut[..., 2:] - cut[..., :2]).prod(-1) / (high_BM2 - low_BM2).prod(-1).clamp(min=1e-9)
    kept_BM1 = ((targets_BM5[..., 0] >= 0) & (left_BM >= VISIBLE))[..., None]
    return torch.where(kept_BM1, torch.cat([targets_BM5[..., :1], cut], dim=-1), -1.0)


def _seen(x_BCHW: Tensor, scale_B2: Tensor, centre_B2: Tensor) -> Tensor:
    """The pictures under the same map: each new pixel is taken from (p − centre) / scale + ½."""
    across, down = (1 / scale_B2).unbind(1)
    zero = torch.zeros_like(across)
    dx, dy = ((1 - 2 * centre_B2) / scale_B2).unbind(1)
    theta_B23 = torch.stack([across, zero, dx, zero, down, dy], dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(theta_B23, list(x_BCHW.shape), align_corners=False)
    return functional.grid_sample(x_BCHW, grid, align_corners=False, padding_mode="border")


def _coloured(x_BCHW: Tensor, strength: float, draw: Callable[[int], Tensor]) -> Tensor:
    """Contrast about the mean, brightness of all and of each colour."""
    mean = x_BCHW.mean(dim=(1, 2, 3), keepdim=True)
    contrast = torch.exp(strength * draw(1))[:, :, None, None]
    light = strength * (draw(1) + draw(x_BCHW.shape[1]) / 2)[:, :, None, None] / 2
    return ((x_BCHW - mean) * contrast + mean + light).clamp(0, 1)
