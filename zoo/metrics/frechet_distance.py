"""Fréchet distance between generated and real pictures, in the features of a published classifier; 0 is the same.

    d² = |μ − μ'|² + tr(C + C' − 2 (C C')^½)

of the normal distributions with the features' means μ and covariances C: Heusel et al. (2017),
https://arxiv.org/abs/1706.08500, equation 6, who take Inception's features of photographs where the classifier named
after the colon is used here. Its graph `features` takes intensities 0 … 1. The distance of finitely many pictures is too
large, the fewer the more: compare figures of the same number only. It is a figure of all rows: a row of statistics holds
the features of a generated picture, then those of a real one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = -1
GRAPHS = ("generate", "sample")  # of a generator and of a sampler; both have an output `picture`, −1 black, 1 white
WHITE = 255  # of the real pictures in `targets`


def score(arrays: Mapping[str, np.ndarray], argument: str) -> Plan[np.ndarray]:
    """Features of the pictures made of `generate/…` or `sample/…`, and of `targets` (N, height, width): (N, 2 F)."""
    graph = next(name for name in GRAPHS if any(key.startswith(f"{name}/") for key in arrays))
    inputs = {key.removeprefix(f"{graph}/"): array for key, array in arrays.items() if key.startswith(f"{graph}/")}
    made = yield Call(graph, inputs)
    drawn = np.clip((made["picture"] + 1) / 2, 0, 1)
    real = (arrays["targets"] / np.float32(WHITE)).astype(np.float32).reshape(drawn.shape)
    found = []
    for pictures in (drawn, real):
        outputs = yield Call("features", {"x": pictures}, model=argument)
        found.append(outputs["features"].astype(np.float64))
    return np.concatenate(found, axis=1)


def reduce(rows: np.ndarray) -> float:
    """The squared distance between the two halves of the columns."""
    made, real = np.split(rows, 2, axis=1)
    return distance(made, real)


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """Of the normal distributions with the moments of two samples, (rows, features) each.

    (C C')^½ has the trace of (√C C' √C)^½, which is symmetric: eigenvalues do, and rounding below zero is cut off.
    """
    covariances = [np.atleast_2d(np.cov(sample, rowvar=False)) for sample in (first, second)]
    root = _root(covariances[0])
    cross = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(min=0)).sum()
    apart = first.mean(axis=0) - second.mean(axis=0)
    return float(apart @ apart + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * cross)


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
