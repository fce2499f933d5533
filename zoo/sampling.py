"""The next token from the logits of a language model: temperature, top-k, top-p, and a draw that a seed repeats."""

from __future__ import annotations

import numpy as np


def probabilities(logits: np.ndarray, *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> np.ndarray:
    """The distribution to draw from, (vocabulary,) float64, of logits (vocabulary,).

    softmax(logits / temperature), of which the `top_k` likeliest tokens stay (0: all; Fan et al. 2018,
    https://arxiv.org/abs/1805.04833), and of those the fewest that together have at least `top_p` of what stayed (1: all;
    Holtzman et al. 2020, https://arxiv.org/abs/1904.09751); the rest get 0. Of equally likely tokens the first ones stay.
    Temperature 0 is the limit: all on the likeliest.
    """
    logits = logits.astype(np.float64)
    order = np.argsort(-logits, kind="stable")
    if temperature == 0:
        order = order[:1]
    elif top_k:
        order = order[:top_k]
    kept = logits[order] - logits[order[0]]
    shares = np.exp(kept / (temperature or 1))
    shares /= shares.sum()
    if top_p < 1:
        count = int(np.searchsorted(np.cumsum(shares), top_p)) + 1
        shares[count:] = 0
    found = np.zeros(len(logits))
    found[order] = shares / shares.sum()
    return found


def draw(distribution: np.ndarray, rng: np.random.Generator) -> int:
    """A token by one uniform number: the first at which the cumulated probability exceeds it."""
    cumulated = np.cumsum(distribution)
    place = np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right")
    return int(min(place, np.flatnonzero(distribution)[-1]))
