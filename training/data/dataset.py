"""A data set in memory: raw inputs as their source gives them, and what each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Samples that are trained on, or tested on, but never both.

    `raws` is one array (N, …), or a list of N arrays where their lengths differ; `targets` is (N, …): a class or a value
    an item, or several (boxes, the nodes of a graph) filled up with −1.
    Raises DataError where the two disagree about N.
    """

    raws: np.ndarray | Sequence[np.ndarray]
    targets: np.ndarray

    def __post_init__(self) -> None:
        if len(self.raws) != len(self.targets):
            raise DataError(
                f"A split has {len(self.raws)} raw inputs and {len(self.targets)} targets; "
                "fetch the data set again, or give each input one target."
            )

    def __len__(self) -> int:
        return len(self.targets)

    def subset(self, indices: Sequence[int] | np.ndarray) -> Split:
        """The samples at `indices` (positions, or a mask of length N), in that order. Raises IndexError beyond N."""
        rows = np.arange(len(self))[np.asarray(indices)] if len(indices) else np.arange(0)
        raws = self.raws[rows] if isinstance(self.raws, np.ndarray) else [self.raws[int(row)] for row in rows]
        return Split(raws=raws, targets=self.targets[rows])


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A named data set with its origin; target k means `labels[k]`.

    `validation` is its official validation split, or the part of a series that is kept for it; without one rows of the
    training split are held out. `source` is an address or a citation; `note` says what a reader of a card has to know.
    """

    name: str
    source: str
    licence: str
    note: str = ""
    labels: tuple[str, ...]
    train: Split
    test: Split
    validation: Split | None = None
