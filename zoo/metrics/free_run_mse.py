"""Mean squared error of free runs: forecasts that are fed back, step after step, against what came, in the series' own unit.

Where a series is chaotic any forecast leaves it in the end; the figure depends on how many steps are judged.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = -1


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """Squared errors (rows · steps,) of every step of every run, of `forecast/…` arrays against `targets` (rows, steps)."""
    inputs = {name.removeprefix("forecast/"): array for name, array in arrays.items() if name.startswith("forecast/")}
    outputs = yield Call("forecast", inputs)
    return np.square(outputs["forecast"].astype(np.float64) - arrays["targets"]).ravel()
