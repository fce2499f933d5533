"""The two objectives of a generative adversarial network, one a turn.

    L_D = −E[log D(x)] − E[log(1 − D(G(z)))]    L_G = −E[log D(G(z))]    z ~ N(0, I)

Goodfellow et al. (2014), https://arxiv.org/abs/1406.2661: algorithm 1 with one step of D for each of G, and the generator's
loss that does not saturate (section 3). The minimax loss log(1 − D(G(z))), which a printed algorithm often descends on, has
hardly a gradient while D is sure. D gives log-odds, so that the logarithms are softplus: −log σ(a) = softplus(−a).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.recipe import Batch


def discriminator_loss(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
    """Nats a pair of a real picture `x` and a generated one; 2 ln 2 where D cannot tell them apart."""
    with torch.no_grad():
        made = model.generate(codes(model, batch, generator))
    real, fake = model.discriminate(batch["x"]), model.discriminate(made)
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def generator_loss(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
    """Nats a generated picture; ln 2 where D cannot tell it from real ones."""
    return functional.softplus(-model.discriminate(model.generate(codes(model, batch, generator)))).mean()


def codes(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
    """As many draws of z as there are pictures."""
    x = batch["x"]
    return torch.randn(len(x), model.latent, generator=generator, device=generator.device).to(x)
