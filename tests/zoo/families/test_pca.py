"""Principal components against scikit-learn's, and what defines them."""

import numpy as np
import pytest
import torch
from sklearn import decomposition

from training.recipes.classical.pca_digits import fit
from zoo.families.classical.pca import Config
from zoo.original import Original


@pytest.fixture(scope="module")
def fitted():
    x = np.random.default_rng(0).standard_normal((50, 6)) @ np.diag([5, 4, 3, 0.2, 0.1, 0.05]) + 7
    original = Original.build("pca", Config(in_features=6, components=3))
    fit(original, {"x": x}, None, 0)
    return x, original.model.double()


def test_the_components_are_those_of_scikit_learn_but_for_their_sign(fitted):
    x, model = fitted
    expected, found = decomposition.PCA(3).fit(x).components_, model.components_KI.detach().numpy()
    assert np.abs(found) == pytest.approx(np.abs(expected), abs=1e-6)
    assert (found.max(axis=1) == np.abs(found).max(axis=1)).all()


def test_codes_have_no_mean_and_no_correlation(fitted):
    x, model = fitted
    code = model.encode(torch.from_numpy(x)).detach().numpy()
    assert code.mean(axis=0) == pytest.approx(0, abs=1e-5)
    covariance = np.cov(code.T)
    assert covariance - np.diag(np.diag(covariance)) == pytest.approx(0, abs=1e-5)
    assert (np.diff(np.diag(covariance)) < 0).all()


def test_what_lies_on_the_flat_is_rebuilt(fitted):
    _, model = fitted
    code = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert (model.encode(model.decode(code)) - code).abs().max() < 1e-5
