"""Share of the states that fall into the pattern that they were made from.

A row counts where every unit is within `TOLERANCE` of its target, which is what four printed decimals say of a number.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = 1
TOLERANCE = 1e-4


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """1 or 0 a row of `recall/x`; `targets` are patterns (rows, units)."""
    outputs = yield Call("recall", {"x": arrays["recall/x"], "limit": arrays["recall/limit"]})
    off = np.abs(outputs["state"].astype(np.float64) - arrays["targets"]).max(axis=1)
    return (off <= TOLERANCE).astype(np.float64)
