"""Share of rows whose largest score is at the target's class.

The scores are the last output with one column a class: logits or probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = 1


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """1 or 0 a row of the `predict/…` arrays, against `targets` (class numbers)."""
    inputs = {name.removeprefix("predict/"): array for name, array in arrays.items() if name.startswith("predict/")}
    outputs = yield Call("predict", inputs)
    scores = list(outputs.values())[-1]
    return (scores.argmax(axis=-1) == arrays["targets"]).astype(np.float64)
