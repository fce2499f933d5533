"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from training.recipe import Settings
from zoo.errors import UnknownNameError

SCHEDULES = ("constant", "cosine")


def make_optimizer(parameters: Iterable[nn.Parameter], settings: Settings) -> torch.optim.Optimizer:
    """Raises UnknownNameError for an optimiser or a schedule that does not exist."""
    lr, decay, betas = settings.lr, settings.weight_decay, (settings.beta1, 0.999)
    makers = {
        "adam": lambda: torch.optim.Adam(parameters, lr=lr, betas=betas, weight_decay=decay),
        "adamw": lambda: torch.optim.AdamW(parameters, lr=lr, betas=betas, weight_decay=decay),
        "sgd": lambda: torch.optim.SGD(parameters, lr=lr, weight_decay=decay, momentum=0.9, nesterov=True),
        "adadelta": lambda: torch.optim.Adadelta(parameters, lr=lr, weight_decay=decay),
    }
    if settings.optimizer not in makers:
        raise UnknownNameError("optimizer", settings.optimizer, makers)
    if settings.schedule not in SCHEDULES:
        raise UnknownNameError("schedule", settings.schedule, SCHEDULES)
    return makers[settings.optimizer]()


def learning_rate(settings: Settings, epoch: float) -> float:
    """Learning rate at a point of training, in epochs from its start."""
    if epoch < settings.warmup_epochs:
        return settings.lr * epoch / settings.warmup_epochs
    if settings.schedule == "constant":
        return settings.lr
    progress = (epoch - settings.warmup_epochs) / max(settings.epochs - settings.warmup_epochs, 1e-9)
    return settings.lr * 0.5 * (1 + math.cos(math.pi * min(progress, 1)))
