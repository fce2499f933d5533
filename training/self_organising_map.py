"""Kohonen's rule: the unit that wins a sample moves towards it, and so do those beside it on the grid.

    c_j ← c_j + β(k) h_j (x − c_j)        h_j = exp(−|z_j − z_w|² / 2σ(k)²)

w is the winning unit, whose prototype c_w is nearest to x; z are places on a rectangular grid with neighbours 1 apart. The
learning rate β and the width σ decrease from sample to sample, by the same factor each (seed 002, L1176-1189, which leaves
the neighbourhood and the schedules open; the bell is that of Kohonen 1990, https://doi.org/10.1109/5.58325).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.recipe import Curves


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Both values at the first sample and at the last."""

    rate: tuple[float, float]
    width: tuple[float, float]

    def at(self, share: float) -> tuple[float, float]:
        """β and σ after this share of all samples."""
        rate, width = (first * (last / first) ** share for first, last in (self.rate, self.width))
        return rate, width


def places(rows: int, columns: int) -> np.ndarray:
    """z, (U, 2): row and column of every unit, row by row."""
    return np.stack(np.divmod(np.arange(rows * columns), columns), axis=1)


def squared_distances(x_NI: np.ndarray, c_UI: np.ndarray) -> np.ndarray:
    """(N, U)."""
    return np.square(x_NI).sum(axis=1)[:, None] - 2 * x_NI @ c_UI.T + np.square(c_UI).sum(axis=1)


def step(c_UI: np.ndarray, x_I: np.ndarray, z_U2: np.ndarray, rate: float, width: float) -> None:
    """Move the prototypes for one sample, in place."""
    offsets_UI = x_I - c_UI
    winner = np.einsum("ui,ui->u", offsets_UI, offsets_UI).argmin()
    h_U = np.exp(-np.square(z_U2 - z_U2[winner]).sum(axis=1) / (2 * width**2))
    c_UI += rate * h_U[:, None] * offsets_UI


def fit_map(
    x_NI: np.ndarray, rows: int, columns: int, schedule: Schedule, *, epochs: int, seed: int
) -> tuple[np.ndarray, Curves]:
    """Prototypes (U, I) that begin at samples drawn by the seed, and the errors of the map after each pass over `x_NI`."""
    rng = np.random.default_rng(seed)
    z_U2, total = places(rows, columns), epochs * len(x_NI)
    c_UI = x_NI[rng.permutation(len(x_NI))[: rows * columns]].copy()
    curves: Curves = {"quantisation_error": [], "topographic_error": []}
    for epoch in range(epochs):
        for number, row in enumerate(rng.permutation(len(x_NI)), start=epoch * len(x_NI)):
            step(c_UI, x_NI[row], z_U2, *schedule.at(number / total))
        curves["quantisation_error"].append(quantisation_error(x_NI, c_UI))
        curves["topographic_error"].append(topographic_error(x_NI, c_UI, z_U2))
    return c_UI, curves


def quantisation_error(x_NI: np.ndarray, c_UI: np.ndarray) -> float:
    """Mean distance of a sample from its winner."""
    return float(np.sqrt(squared_distances(x_NI, c_UI).min(axis=1).clip(min=0)).mean())


def topographic_error(x_NI: np.ndarray, c_UI: np.ndarray, z_U2: np.ndarray) -> float:
    """Share of the samples whose two nearest units are not neighbours on the grid, across a corner included.

    Kiviluoto (1996), https://doi.org/10.1109/ICNN.1996.548907.
    """
    nearest = squared_distances(x_NI, c_UI).argsort(axis=1)[:, :2]
    apart = np.abs(z_U2[nearest[:, 0]] - z_U2[nearest[:, 1]]).max(axis=1)
    return float((apart > 1).mean())
