"""Contrastive divergence: the free energy of the data goes down, that of what the model makes of them goes up."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from training.recipe import Batch, Objective


def contrastive_divergence(steps: int = 1) -> Objective:
    """F(v) − F(ṽ) in nats a row, ṽ after `steps` Gibbs steps from v and no path for the gradient.

    Hinton (2002), https://doi.org/10.1162/089976602760128018: with F the gradient is that of equation 5, for the hidden
    units' probabilities stand in for their states. As a loss the figure says little: it is near 0 throughout.
    """

    def objective(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
        v = batch["v"]
        with torch.no_grad():
            negative = v
            for _ in range(steps):
                hidden = draw(model.hidden_given_visible(negative), generator)
                negative = draw(model.visible_given_hidden(hidden), generator)
        return (model.free_energy(v) - model.free_energy(negative)).mean()

    return objective


def draw(chances: Tensor, generator: torch.Generator) -> Tensor:
    """Units that are on with these chances."""
    noise = torch.rand(chances.shape, generator=generator, device=generator.device)
    return (noise < chances).to(chances)
