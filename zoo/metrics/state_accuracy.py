"""Share of the steps of all series at which the likeliest path is in the true state; a target of −1 is no step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = 1


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """Right steps and all steps of each series, (rows, 2); `targets` (rows, steps) may go on beyond the longest series."""
    inputs = {name.removeprefix("viterbi/"): array for name, array in arrays.items() if name.startswith("viterbi/")}
    outputs = yield Call("viterbi", inputs)
    targets = arrays["targets"]
    states = outputs["states"][:, : targets.shape[1]]
    right = (states == targets[:, : states.shape[1]]).sum(axis=1)
    return np.stack([right, (targets >= 0).sum(axis=1)], axis=1).astype(np.float64)


def reduce(rows: np.ndarray) -> float:
    right, steps = rows.sum(axis=0)
    return float(right / steps)
