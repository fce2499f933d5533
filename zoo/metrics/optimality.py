"""Share of the worlds that are planned for as well as can be.

A world counts where every state's value is within `TOLERANCE` of the best return, and so is the return of the planned
actions themselves, which follows from them by a system of linear equations.

Shape letters: B worlds, S states, A actions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = 1
TOLERANCE = 1e-4


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """1 or 0 a world of the `plan/…` arrays; `targets` (B, states) are best returns, filled up with zeros."""
    inputs = {name.removeprefix("plan/"): array for name, array in arrays.items() if name.startswith("plan/")}
    outputs = yield Call("plan", inputs)
    value_BS, action_BS = outputs["value"].astype(np.float64), outputs["action"]
    best_BS = arrays["targets"][:, : value_BS.shape[1]]
    planned_BS = returns(inputs["transition"], inputs["reward"], inputs["discount"], action_BS)
    off_B = np.maximum(np.abs(value_BS - best_BS).max(axis=1), np.abs(planned_BS - best_BS).max(axis=1))
    return (off_B <= TOLERANCE).astype(np.float64)


def returns(p_BSAS: np.ndarray, r_BSAS: np.ndarray, discount_B: np.ndarray, action_BS: np.ndarray) -> np.ndarray:
    """What each state returns when these actions are taken for ever, (B, S): v = r + γ P v."""
    chosen = action_BS[:, :, None, None]
    p_BSS, r_BSS = (np.take_along_axis(each, chosen, axis=2)[:, :, 0].astype(np.float64) for each in (p_BSAS, r_BSAS))
    earned_BS1 = (p_BSS * r_BSS).sum(axis=2, keepdims=True)
    ahead_BSS = np.eye(p_BSS.shape[1]) - discount_B.astype(np.float64)[:, None, None] * p_BSS
    found: np.ndarray = np.linalg.solve(ahead_BSS, earned_BS1)[:, :, 0]
    return found
