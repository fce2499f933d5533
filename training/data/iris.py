"""Iris: four lengths, in cm, of 149 flowers of three species.

Fisher (1936), https://doi.org/10.1111/j.1469-1809.1936.tb02137.x; UCI, https://doi.org/10.24432/C56C76, CC BY 4.0. Bundled
with scikit-learn, so nothing is downloaded; the addresses are citations and could not be opened where this was written.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from sklearn.datasets import load_iris

from training.data.dataset import Dataset, Split

SEED = 0
TEST_SHARE = 0.2
COLUMNS = ("sepal length", "sepal width", "petal length", "petal width")
SPECIES = ("setosa", "versicolor", "virginica")


def load() -> Dataset:
    """Raws float32 (N, 4), targets int64 0…2; 119 train and 30 test. Of two equal flowers the second is left out.

    Of each species, a fifth (rounded) drawn by NumPy's frozen Mersenne stream with seed 0 is the test part; both parts keep
    the order of the source.
    """
    rows, targets = load_iris(return_X_y=True)
    _, firsts = np.unique(rows, axis=0, return_index=True)
    flowers = Split(raws=rows.astype(np.float32), targets=targets.astype(np.int64)).subset(np.sort(firsts))
    is_test = _draw(flowers.targets)
    return Dataset(
        name="iris",
        source="https://doi.org/10.24432/C56C76, as bundled with scikit-learn",
        licence="CC BY 4.0",
        note="The split is ours, stratified by species; one of two equal flowers is left out.",
        labels=SPECIES,
        train=flowers.subset(~is_test),
        test=flowers.subset(is_test),
    )


def against_rest(species: str) -> Dataset:
    """The same flowers, target 1 for those of one species and 0 for the others."""
    dataset, number = load(), SPECIES.index(species)
    train, test = (
        dataclasses.replace(split, targets=(split.targets == number).astype(np.int64))
        for split in (dataset.train, dataset.test)
    )
    return dataclasses.replace(dataset, labels=(f"not {species}", species), train=train, test=test)


def _draw(targets: np.ndarray) -> np.ndarray:
    random = np.random.RandomState(SEED)  # its stream never changes, whereas default_rng's may
    is_test = np.zeros(len(targets), bool)
    for label in np.unique(targets):
        members = random.permutation(np.flatnonzero(targets == label))
        is_test[members[: round(TEST_SHARE * len(members))]] = True
    return is_test
