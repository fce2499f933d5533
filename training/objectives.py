"""Objectives: the mean loss of a batch, which the loop minimises."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.recipe import Batch, Objective


def cross_entropy(label_smoothing: float = 0) -> Objective:
    """Categorical cross-entropy of the logits against `targets`, in nats a row."""

    def objective(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
        inputs = [tensor for name, tensor in batch.items() if name != "targets"]
        smoothing = label_smoothing if model.training else 0.0
        return functional.cross_entropy(model(*inputs), batch["targets"], label_smoothing=smoothing)

    return objective


def negative_elbo(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
    """Negative evidence lower bound with Bernoulli pixels, in nats a row: one draw of z a row, closed-form divergence.

    Kingma and Welling (2014), https://arxiv.org/abs/1312.6114, equation 10 with its sign as printed there: the loss is
    KL minus the log-likelihood.
    """
    x = batch["x"]
    mean, log_variance = model.encode(x)
    epsilon = torch.randn(mean.shape, generator=generator, device=generator.device).to(mean)
    logits = model.decode(mean + torch.exp(0.5 * log_variance) * epsilon)
    log_likelihood = -functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1)
    return (divergence - log_likelihood).mean()


def teacher_forcing(label_smoothing: float = 0, padding: int = 0) -> Objective:
    """Cross-entropy of each target token given the source and the true tokens before it, in nats a token.

    `targets` are rows from the start mark to the end mark, filled up with `padding`; `tokens` and `length` are the source.
    Williams and Zipser (1989), https://doi.org/10.1162/neco.1989.1.2.270. A batch is cut to its longest rows.
    """

    def objective(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
        length, targets = batch["length"], batch["targets"]
        count = (targets != padding).sum(dim=1) - 1
        source, targets = batch["tokens"][:, : int(length.max())], targets[:, : int(count.max()) + 1]
        logits = model(source, length, targets[:, :-1], count)
        following = targets[:, 1:]
        smoothing = label_smoothing if model.training else 0.0
        return functional.cross_entropy(logits, following[following != padding], label_smoothing=smoothing)

    return objective
