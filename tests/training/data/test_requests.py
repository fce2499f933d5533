"""Pictures as targets of requests."""

import numpy as np
import pytest

from training.data import Dataset, Split
from training.data.requests import as_requests


def dataset(train, test):
    splits = [
        Split(raws=np.full((rows, 2, 2), kind, np.uint8), targets=np.zeros(rows)) for kind, rows in ((1, train), (2, test))
    ]
    return Dataset(name="n", source="s", licence="l", labels=(), train=splits[0], test=splits[1])


@pytest.mark.parametrize(("train", "test", "held", "sizes"), [(100, 40, 5, (95, 5, 5)), (30, 4, 5, (27, 3, 4))])
def test_every_picture_gets_a_seed_of_its_own(train, test, held, sizes):
    made = as_requests(dataset(train, test), held=held, options=(20, 0.5))
    splits = (made.train, made.validation, made.test)
    assert tuple(map(len, splits)) == sizes
    rows = np.concatenate([split.raws for split in splits])
    assert len(set(rows[:, 0])) == sum(sizes)
    assert (rows[:, 1:] == [0, 20, 0.5]).all()
    assert [set(split.targets.ravel()) for split in splits] == [{1}, {1}, {2}]
