"""Share of rows all of whose flags are right: of answers with several labels at once, which any number may hold.

The flags are the last output, zeros and ones in a column a label.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = 1


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """1 or 0 for each row of the `predict/…` arrays against `targets` (rows, labels)."""
    inputs = {name.removeprefix("predict/"): array for name, array in arrays.items() if name.startswith("predict/")}
    outputs = yield Call("predict", inputs)
    return (list(outputs.values())[-1] == arrays["targets"]).all(axis=-1).astype(np.float64)
