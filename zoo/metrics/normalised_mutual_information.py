"""Normalised mutual information of the labels that a model chose by itself and the classes that people know.

    I(Y; T) / ((H(Y) + H(T)) / 2)

1 where each class is one label and the other way round, 0 where they have nothing to do with one another; how labels are
numbered does not matter. Strehl and Ghosh (2002), https://www.jmlr.org/papers/v3/strehl02a.html, with the arithmetic mean
of the entropies in place of the geometric one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = 1


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """Label and class of each row, (rows, 2), from the `predict/…` arrays and `targets`."""
    inputs = {name.removeprefix("predict/"): array for name, array in arrays.items() if name.startswith("predict/")}
    outputs = yield Call("predict", inputs)
    return np.stack([outputs["label"], arrays["targets"]], axis=1)


def reduce(rows: np.ndarray) -> float:
    """0 where all rows have one label or one class: that tells nothing."""
    _, labels = np.unique(rows[:, 0], return_inverse=True)
    _, classes = np.unique(rows[:, 1], return_inverse=True)
    together = np.bincount(labels * (classes.max() + 1) + classes)
    label, classed, joint = (_entropy(counts) for counts in (np.bincount(labels), np.bincount(classes), together))
    if not label or not classed:
        return 0.0
    return float(2 * (label + classed - joint) / (label + classed))


def _entropy(counts: np.ndarray) -> float:
    """In nats, of counts of which some may be 0; one value only has exactly none."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum()) if len(shares) > 1 else 0.0
