"""Coefficient of determination: the share of the targets' variance that the answers explain.

R² = 1 − Σ (t − y)² / Σ (t − t̄)²        S3's and scikit-learn's; 1 is all of it, 0 what the targets' own mean explains

The answers are the first output, one value a row. A row's statistics are its target and its answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = 1


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """Target and answer (rows, 2) of the `predict/…` arrays against `targets` (rows,)."""
    inputs = {name.removeprefix("predict/"): array for name, array in arrays.items() if name.startswith("predict/")}
    outputs = yield Call("predict", inputs)
    return np.stack([arrays["targets"], next(iter(outputs.values()))], axis=1).astype(np.float64)


def reduce(rows: np.ndarray) -> float:
    """NaN where all targets are equal: there is nothing to explain."""
    targets, answers = rows.T
    total = np.square(targets - targets.mean()).sum()
    return float(1 - np.square(targets - answers).sum() / total) if total else float("nan")
