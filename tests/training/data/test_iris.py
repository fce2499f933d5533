"""The split of iris, which scikit-learn carries."""

import numpy as np
from sklearn.datasets import load_iris

from training.data import iris


def test_every_flower_but_the_repeated_one_is_in_one_part():
    """150 flowers, 50 a species; two of virginica are equal, (5.8, 2.7, 5.1, 1.9)."""
    dataset = iris.load()
    rows = [tuple(row) for part in (dataset.train, dataset.test) for row in part.raws]
    assert (len(dataset.train), len(dataset.test), len(set(rows))) == (119, 30, 149)
    assert set(rows) == {tuple(row) for row in load_iris().data.astype(np.float32)}
    assert np.bincount(dataset.test.targets).tolist() == [10, 10, 10]
    assert np.bincount(dataset.train.targets).tolist() == [40, 40, 39]


def test_one_species_against_the_rest():
    whole, one = iris.load(), iris.against_rest("virginica")
    assert np.array_equal(one.test.targets, (whole.test.targets == 2).astype(int))
    assert np.array_equal(one.train.raws, whole.train.raws)
    assert one.labels == ("not virginica", "virginica")
