"""Digits: 1,797 handwritten digits of 8x8, the test part of UCI's Optical Recognition of Handwritten Digits.

Alpaydin, Kaynak (1998), https://doi.org/10.24432/C50P49; CC BY 4.0. Bundled with scikit-learn, so nothing is downloaded;
the address is the citation and could not be opened where this was written.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from training.data.dataset import Dataset, Split

SEED = 0
TEST_SHARE = 0.2


def load() -> Dataset:
    """One split for every model: raws float32 (N, 8, 8), ink 0…16; targets int64 0…9; 1,438 train and 359 test.

    Of each class, a fifth (rounded) drawn by NumPy's frozen Mersenne stream with seed 0 is the test part; both parts
    keep the order of the source.
    """
    images, targets = load_digits(return_X_y=True)
    everything = Split(raws=images.reshape(-1, 8, 8).astype(np.float32), targets=targets.astype(np.int64))
    is_test = _draw(everything.targets)
    return Dataset(
        name="digits",
        source="https://doi.org/10.24432/C50P49, as bundled with scikit-learn",
        licence="CC BY 4.0",
        note="The split is ours, stratified by class; the same 13 people wrote both parts.",
        labels=tuple("0123456789"),
        train=everything.subset(~is_test),
        test=everything.subset(is_test),
    )


def _draw(targets: np.ndarray) -> np.ndarray:
    random = np.random.RandomState(SEED)  # its stream never changes, whereas default_rng's may
    is_test = np.zeros(len(targets), bool)
    for label in range(10):
        members = random.permutation(np.flatnonzero(targets == label))
        is_test[members[: round(TEST_SHARE * len(members))]] = True
    return is_test
