"""Cases of a network of variables: what is known of them, and the posteriors of all by summing over every combination.

The network is given by its tables; nothing is sampled but which cases are asked about. The posteriors come from the whole
joint table, which no clever order of sums is needed for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.dataset import Dataset, Split

SEED = 0
SHARES = (0.2, 0.1)  # of the cases that are trained on and that are validated on; the rest is tested on
MOST_CASES = 400


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable with its states, its parents by name and its table: for each combination of the parents' states, the last
    parent's changing fastest, the probability of each of its own."""

    name: str
    table: tuple[tuple[float, ...], ...]
    parents: tuple[str, ...] = ()
    states: tuple[str, ...] = ("no", "yes")


Network = Sequence[Variable]


def load(network: Network, first: Sequence[dict[str, str]]) -> Dataset:
    """Raws int64 (N, variables), numbers of states and −1 where none is known; targets float64 (N, variables, states).

    All the cases there are, or 400 of them, in an order drawn from a fixed seed; those of `first` are the first test rows.
    """
    rng = np.random.default_rng(SEED)
    named = np.array([_numbers(network, case) for case in first])
    rows = np.concatenate([named, _cases(network, rng)])
    rows = rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]
    asked, rest = rows[: len(named)], rows[len(named) :]
    cuts = np.cumsum([round(share * len(rest)) for share in SHARES])
    train, validation, test = np.split(rest, cuts)
    splits = {"train": train, "validation": validation, "test": np.concatenate([asked, test])}
    return Dataset(
        name="cases of a network",
        source="made by training/data/diagnoses.py",
        licence="none needed: made of the tables",
        note="The targets are sums over the joint table of all variables.",
        labels=(),
        **{
            name: Split(raws=part, targets=np.stack([posteriors(network, row) for row in part]))
            for name, part in splits.items()
        },
    )


def joint(network: Network) -> np.ndarray:
    """The probability of every combination of states, an axis a variable."""
    names = [variable.name for variable in network]
    product = np.ones([len(variable.states) for variable in network])
    for place, variable in enumerate(network):
        axes = [*map(names.index, variable.parents), place]
        table = np.reshape(variable.table, [product.shape[axis] for axis in axes])
        spread = np.transpose(table, np.argsort(axes))
        product = product * spread.reshape([size if axis in axes else 1 for axis, size in enumerate(product.shape)])
    return product


def posteriors(network: Network, row: np.ndarray) -> np.ndarray:
    """The probability of each state of each variable (variables, states), given the states in a row; zeros beyond states."""
    left = joint(network)
    for axis, state in enumerate(row):
        if state >= 0:
            left = left * (np.arange(left.shape[axis]) == state).reshape([-1 if axis == a else 1 for a in range(left.ndim)])
    found = np.zeros((left.ndim, max(left.shape)))
    for axis, size in enumerate(left.shape):
        marginal = left.sum(axis=tuple(a for a in range(left.ndim) if a != axis))
        found[axis, :size] = marginal / left.sum() if left.any() else 0
    return found


def _cases(network: Network, rng: np.random.Generator) -> np.ndarray:
    sizes = [len(variable.states) + 1 for variable in network]
    total = int(np.prod(sizes))
    chosen = rng.permutation(total)[:MOST_CASES] if total > MOST_CASES else rng.permutation(total)
    return np.stack(np.unravel_index(chosen, sizes), axis=1) - 1


def _numbers(network: Network, case: dict[str, str]) -> list[int]:
    return [v.states.index(case[v.name]) if v.name in case else -1 for v in network]
