"""Intervals that cover the true figure in 95 of 100 test splits."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

RESAMPLES = 2000
_Z = 1.959964  # of the normal distribution, 2.5 % above


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Interval of a proportion (Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953)."""
    centre = (share + _Z * _Z / (2 * count)) / (1 + _Z * _Z / count)
    half = _Z / (1 + _Z * _Z / count) * math.sqrt(share * (1 - share) / count + _Z * _Z / (4 * count * count))
    return centre - half, centre + half


def bootstrap_interval(scores: np.ndarray, reduce: Callable[[np.ndarray], float], seed: int = 0) -> tuple[float, float]:
    """Percentile interval of the figure that `reduce` makes of rows, (rows, …).

    Efron and Tibshirani (1993), chapter 13, https://doi.org/10.1201/9780429246593.
    """
    rng, rows = np.random.default_rng(seed), len(scores)
    figures = [reduce(scores[rng.integers(0, rows, rows)]) for _ in range(RESAMPLES)]
    low, high = np.quantile(figures, [0.025, 0.975])
    return float(low), float(high)
