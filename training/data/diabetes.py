"""Diabetes: ten measurements of 442 patients and how far their disease had come a year later.

Efron, Hastie, Johnstone, Tibshirani (2004), https://doi.org/10.1214/009053604000000067. Bundled with scikit-learn, so
nothing is downloaded; the address is the citation and could not be opened where this was written.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_diabetes

from training.data.dataset import Dataset, Split

SEED = 0
TEST_SHARE = 0.2
COLUMNS = (
    "age", "sex", "body mass index", "blood pressure", "total cholesterol", "low-density lipoproteins",
    "high-density lipoproteins", "cholesterol by high-density", "log triglycerides", "glucose",
)  # fmt: skip
UNITS = ("years", "1 or 2", "kg/m²", "mmHg", "mg/dl", "mg/dl", "mg/dl", "", "", "mg/dl")


def load() -> Dataset:
    """Raws float32 (N, 10) in their own units, targets float32 (N,), 25 to 346; 354 train and 88 test.

    A fifth (rounded) of the patients, drawn by NumPy's frozen Mersenne stream with seed 0, is the test part; both parts keep
    the order of the source.
    """
    rows, targets = load_diabetes(return_X_y=True, scaled=False)
    everything = Split(raws=rows.astype(np.float32), targets=targets.astype(np.float32))
    is_test = np.zeros(len(targets), bool)
    is_test[np.random.RandomState(SEED).permutation(len(targets))[: round(TEST_SHARE * len(targets))]] = True
    return Dataset(
        name="diabetes",
        source="https://doi.org/10.1214/009053604000000067, as bundled with scikit-learn",
        licence="none stated",
        note="The split is ours. The target is a quantitative measure of progression, without a unit.",
        labels=(),
        train=everything.subset(~is_test),
        test=everything.subset(is_test),
    )
