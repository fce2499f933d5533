"""Objectives of autoencoders, in squared error summed over the pixels, a picture; and what their cards show."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional

from training.pictures import grid
from training.recipe import Batch, Objective
from zoo.original import Original
from zoo.spec import Arrays

COLUMNS = 10


def squared_error(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
    """Σ (x̂ − x)²."""
    x = batch["x"]
    return _error(model.decode(model.encode(x)), x)


def denoising(noise: float) -> Objective:
    """Σ (x̂ − x)² where x̂ is rebuilt from x + `noise` · N(0, I), cut to 0 … 1.

    Vincent et al. (2008), https://doi.org/10.1145/1390156.1390294, which sets pixels to 0 instead.
    """

    def objective(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
        x = batch["x"]
        moved = x + noise * torch.randn(x.shape, generator=generator, device=generator.device)
        return _error(model.decode(model.encode(moved.clamp(0, 1))), x)

    return objective


def sparse(weight: float, activity: float) -> Objective:
    """Σ (x̂ − x)² + `weight` Σ_j KL(`activity` ‖ ρ̂_j), ρ̂_j the mean activity of feature j in the batch.

    Ng (2011), Sparse autoencoder, https://web.stanford.edu/class/cs294a/sparseAutoencoder_2011new.pdf.
    Features lie in 0 … 1.
    """

    def objective(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
        code = model.encode(batch["x"])
        mean = code.mean(dim=0).clamp(1e-6, 1 - 1e-6)
        divergence = activity * torch.log(activity / mean) + (1 - activity) * torch.log((1 - activity) / (1 - mean))
        return _error(model.decode(code), batch["x"]) + weight * divergence.sum()

    return objective


def contractive(weight: float) -> Objective:
    """Σ (x̂ − x)² + `weight` ‖∂h/∂x‖²_F, which for h = σ(W x + b) is Σ_j (h_j (1 − h_j))² ‖W_j‖².

    Rifai et al. (2011), https://icml.cc/2011/papers/455_icmlpaper.pdf, equation 7.
    """

    def objective(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
        code = model.encode(batch["x"])
        slopes = (code * (1 - code)).square()
        jacobian = slopes @ model.encoder.weight.square().sum(dim=1)
        return _error(model.decode(code), batch["x"]) + weight * jacobian.mean()

    return objective


def greedy(layer: int) -> Objective:
    """Squared error of one layer's input, rebuilt from its output; the layers below stay as they are."""

    def objective(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
        return model.reconstruction_error(batch["x"], layer).mean()

    return objective


def decode_inputs(original: Original, samples: Arrays) -> Arrays:
    """Inputs of `decode`: the codes of the samples."""
    return {"decode/code": original.call(original.graph("encode"), {"x": samples["encode/x"]})["code"]}


def reconstructions(original: Original, samples: Arrays, *, log_odds: bool = True) -> Image:
    """Pictures, and below each what its code is decoded to: log-odds of the pixels, or intensities."""
    x, code = samples["encode/x"][:COLUMNS], samples["decode/code"][:COLUMNS]
    (rebuilt,) = original.call(original.graph("decode"), {"code": code}).values()
    return rows_of_pictures(x, 1 / (1 + np.exp(-rebuilt)) if log_odds else rebuilt.clip(0, 1))


def features(original: Original) -> Image:
    """The pixels that each feature looks at, from black, the least, to white, the most."""
    weights = original.model.encoder.weight.detach().numpy()
    low, high = weights.min(axis=1, keepdims=True), weights.max(axis=1, keepdims=True)
    return rows_of_pictures(*np.split((weights - low) / (high - low), range(COLUMNS, len(weights) - COLUMNS + 1, COLUMNS)))


def rows_of_pictures(*rows: np.ndarray) -> Image:
    """Rows of as many square pictures, each (columns, pixels) of intensities 0 … 1, one below the other."""
    columns, side = len(rows[0]), int(rows[0].shape[1] ** 0.5)
    whole = [row for row in rows if len(row) == columns]
    return grid(np.concatenate(whole).reshape(-1, 1, side, side), columns)


def _error(logits: Tensor, x: Tensor) -> Tensor:
    return functional.mse_loss(torch.sigmoid(logits), x, reduction="none").sum(dim=1).mean()
