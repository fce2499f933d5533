"""Pseudo-likelihood of binary data under a model with a free energy, in nats a row, by one unit of each row at a time.

    log PL(v) = Σ_i log p(v_i | the other units) ≈ n log σ(F(v with unit i turned over) − F(v)),  i drawn at random

Besag (1975), https://doi.org/10.2307/2987782; the estimator is that of scikit-learn's BernoulliRBM.score_samples. A row's
value is the mean over the stored draws of i, of which there are as many as `draws` has columns.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = 1


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """One value a row of `free_energy/v` (rows, n); `draws` are units (rows, draws)."""
    v, draws = arrays["free_energy/v"], arrays["draws"]
    energy = yield Call("free_energy", {"v": v})
    total = np.zeros(len(v))
    for units in draws.T:
        turned = v.copy()
        rows = np.arange(len(v))
        turned[rows, units] = 1 - turned[rows, units]
        other = yield Call("free_energy", {"v": turned})
        total -= np.logaddexp(0, energy["energy"].astype(np.float64) - other["energy"])
    return v.shape[1] * total / draws.shape[1]
