"""Share of rows whose largest score is at the target's class.

The scores are the last output with one column a class: logits or probabilities. Where an item has several targets (the
nodes of a graph, say) each of them is a row; a target of −1 is not judged.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = 1


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """1 or 0 for each target (class number) that is judged, from the `predict/…` arrays."""
    inputs = {name.removeprefix("predict/"): array for name, array in arrays.items() if name.startswith("predict/")}
    outputs = yield Call("predict", inputs)
    labels, targets = list(outputs.values())[-1].argmax(axis=-1).reshape(-1), arrays["targets"].reshape(-1)
    return (labels == targets)[targets >= 0].astype(np.float64)
