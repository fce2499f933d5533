"""Grid worlds: maps with walls, goals and pits, drawn here, and the best returns of their cells by linear programming.

The values of a world are the least V with V(s) ≥ Σ_s' P(s' | s, a) (R(s, a, s') + γ V(s')) for all s and a (Puterman 1994,
section 6.9, https://doi.org/10.1002/9780470316887): no iteration is involved.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.optimize import linprog

from training.data.dataset import Dataset, Split
from zoo.codecs.grid_planning import parse

SEED = 0
SIDES = (3, 5)  # least and most rows and columns
ROWS = {"train": 40, "validation": 10, "test": 100}
NUMBERS = {
    "discount": (0.8, 0.9, 0.95),
    "slip": (0, 0.1, 0.2, 0.4),
    "step": (-0.1, -0.04, -0.01, 0),
    "goal": (1,),
    "pit": (-1, -0.5),
}
SQUARES = dict(zip(".#GP", (0.7, 0.15, 0.08, 0.07), strict=True))  # how often each is drawn


@cache
def load() -> Dataset:
    """Raws a list of maps as text, uint8; targets float64 (N, 25): the best return of each cell, filled up with zeros.

    40 train, 10 validation and 100 test, no two alike; each part begins with a map of the largest size.
    """
    rng = np.random.default_rng(SEED)
    known: set[str] = set()
    return Dataset(
        name="grid worlds",
        source="drawn by training/data/gridworlds.py",
        licence="none needed: drawn at random",
        note="The targets are the optimum of a linear programme, found by HiGHS.",
        labels=(),
        **{name: _part(rng, count, known) for name, count in ROWS.items()},
    )


def _part(rng: np.random.Generator, count: int, known: set[str]) -> Split:
    texts: list[str] = []
    while len(texts) < count:
        text = _world(rng, SIDES[1] if not texts else SIDES[0])
        if "." in text and text not in known:
            texts.append(text)
            known.add(text)
    targets = np.zeros((count, SIDES[1] ** 2))
    for row, text in zip(targets, texts, strict=True):
        values = best_returns(text)
        row[: len(values)] = values
    return Split(raws=[np.frombuffer(text.encode(), dtype=np.uint8) for text in texts], targets=targets)


def _world(rng: np.random.Generator, least: int) -> str:
    numbers = [f"{name} {rng.choice(choices):g}" for name, choices in NUMBERS.items()]
    height, width = rng.integers(least, SIDES[1], size=2, endpoint=True)
    rows = ["".join(row) for row in rng.choice(list(SQUARES), size=(height, width), p=list(SQUARES.values()))]
    return "\n".join([*numbers, *rows])


def best_returns(text: str) -> np.ndarray:
    """The best return of each cell of a map, (cells,), as the optimum of a linear programme."""
    world = parse(text.encode())
    p_SAS, r_SAS = world.dynamics()
    count, actions, _ = p_SAS.shape
    ahead_NS = (np.eye(count)[:, None] - world.discount * p_SAS).reshape(count * actions, count)
    earned_N = (p_SAS * r_SAS).sum(axis=2).ravel()
    found: np.ndarray = linprog(np.ones(count), A_ub=-ahead_NS, b_ub=-earned_N, bounds=(None, None)).x
    return found
