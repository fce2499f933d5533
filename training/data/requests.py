"""Pictures as what a generator learns from: requests as raw inputs, real pictures as targets.

A generator's input is a request ("picture number 0 of seed 17"), and a real picture is what its answers should look like.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from training.data.dataset import Dataset, Split


def as_requests(dataset: Dataset, *, held: int, options: Sequence[float] = ()) -> Dataset:
    """The data set with its pictures as targets and a request [seed, 0, *options] for each, no seed twice.

    The last `held` training pictures, a tenth where that is fewer, are the validation split, and the first `held` test
    pictures the test split: a distance between samples is judged on equally many.
    """
    train, test = dataset.train, dataset.test
    kept = len(train) - min(held, len(train) // 10)
    splits = [
        train.subset(np.arange(kept)),
        train.subset(np.arange(kept, len(train))),
        test.subset(np.arange(len(test))[:held]),
    ]
    starts = np.cumsum([0, *map(len, splits)])
    fitted, validation, tested = (_split(split, int(start), options) for split, start in zip(splits, starts, strict=False))
    return dataclasses.replace(dataset, train=fitted, validation=validation, test=tested)


def _split(split: Split, first: int, options: Sequence[float]) -> Split:
    rows = [np.arange(first, first + len(split)), *(np.full(len(split), value) for value in (0, *options))]
    return Split(raws=np.stack(rows, axis=1).astype(np.float64), targets=np.asarray(split.raws))
