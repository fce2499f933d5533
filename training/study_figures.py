"""Figures that a study may take of a finished run, beside those that every run has."""

from __future__ import annotations

from collections.abc import Callable

import torch

from training.fit import turns_of
from training.study import Trained


def loss_on_test(trained: Trained) -> float:
    """Mean of the recipe's last objective over the rows of the test split, in its own unit.

    For recipes whose batches are the inputs of the first graph and `targets`.
    """
    graph, settings = trained.original.graphs[0], trained.recipe.settings
    arrays = {port.name: trained.samples[f"{graph.name}/{port.name}"] for port in graph.inputs}
    tensors = {name: torch.from_numpy(array) for name, array in {**arrays, "targets": trained.samples["targets"]}.items()}
    objective, generator, rows = (
        turns_of(trained.recipe)[-1].objective,
        torch.Generator().manual_seed(0),
        len(tensors["targets"]),
    )
    total = 0.0
    with torch.no_grad():
        for start in range(0, rows, settings.evaluation_rows):
            batch = {name: tensor[start : start + settings.evaluation_rows] for name, tensor in tensors.items()}
            total += objective(trained.original.model, batch, generator).item() * len(batch["targets"])
    return total / rows


def curve(name: str, epoch: int) -> Callable[[Trained], float]:
    """A column of the curves (`training.fit.CURVES`) at an epoch counted from 1; the last one where it is −1."""

    def figure(trained: Trained) -> float:
        values = trained.run.curves[name]
        return float(values[epoch if epoch < 0 else epoch - 1])

    return figure


def seconds_per_epoch(trained: Trained) -> float:
    return trained.run.duration_s / len(trained.run.curves["epoch"])
