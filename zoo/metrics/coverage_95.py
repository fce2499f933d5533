"""Share of targets within the 95 % interval: value ± 1.96 standard deviations, of answers with a normal distribution.

Well calibrated is near 0.95; more is too cautious, less too sure. So it is a check of intervals, none of values.

The values are the first output, their standard deviations the second, a number a row.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = 1
QUANTILE = 1.959964  # of the normal distribution, 2.5 % above


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """1 or 0 for each target (rows,) that is within its interval, from the `predict/…` arrays."""
    inputs = {name.removeprefix("predict/"): array for name, array in arrays.items() if name.startswith("predict/")}
    outputs = yield Call("predict", inputs)
    values, deviations = (array.astype(np.float64) for array in list(outputs.values())[:2])
    return (np.abs(arrays["targets"] - values) <= QUANTILE * deviations).astype(np.float64)
