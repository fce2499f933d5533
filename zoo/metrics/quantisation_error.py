"""Mean distance of a row from the nearest prototype, in the unit of its features."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = -1


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """One distance a row of the `predict/…` arrays."""
    inputs = {name.removeprefix("predict/"): array for name, array in arrays.items() if name.startswith("predict/")}
    outputs = yield Call("predict", inputs)
    return -outputs["nearness"].max(axis=1).astype(np.float64)
