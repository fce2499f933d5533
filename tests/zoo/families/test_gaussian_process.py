"""The Gaussian process by hand at one row, beside scikit-learn at many, and the metric of its intervals."""

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from training.recipe import Settings
from training.recipes import load_recipe
from training.recipes.classical.gaussian_process_sine import take_over
from zoo.errors import UsageError
from zoo.families.classical.gaussian_process import Config
from zoo.hub import EMBEDDED, Hub
from zoo.metrics import load_metric
from zoo.original import Original


def test_one_row_by_hand():
    """σ_f² = 1, ℓ = 1, σ_n² = 1/4, t(0) = 1, so α = 1 / 1.25 = 0.8.

    At 0: μ = 0.8, σ² = 1 − 0.8 + 0.25. At 1: k = e^(−1/2). Far away: the prior, 0 and 1.25.
    """
    original = Original.build("gaussian-process", Config(num_rows=1))
    with torch.no_grad():
        for name, value in (("rows", 0), ("alpha", 0.8), ("whitening", 0.8**0.5), ("length", 1), ("noise_variance", 0.25)):
            getattr(original.model, name).fill_(value)
    [graph] = original.graphs
    found = original.call(graph, {"x": np.array([[0], [1], [100]], np.float32)})
    near = np.exp(-0.5)
    np.testing.assert_allclose(found["value"], [0.8, 0.8 * near, 0], rtol=1e-6)
    np.testing.assert_allclose(found["deviation"] ** 2, [0.45, 1.25 - 0.8 * near**2, 1.25], rtol=1e-6)


def test_the_numbers_of_a_fitted_process_give_its_answers():
    rng = np.random.default_rng(0)
    x, asked = rng.uniform(0, 3, (30, 2)), rng.uniform(-1, 4, (200, 2)).astype(np.float32)
    kernel = ConstantKernel(2.0) * RBF(0.7) + WhiteKernel(0.02)
    process = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(x, np.sin(x).sum(axis=1))
    original = Original.build("gaussian-process", Config(in_features=2, num_rows=30))
    take_over(original.model, process)
    [graph] = original.graphs
    found = original.call(graph, {"x": asked})
    mean, deviation = process.predict(asked.astype(np.float64), return_std=True)
    np.testing.assert_allclose(found["value"], mean, atol=1e-4)  # weights in float32
    np.testing.assert_allclose(found["deviation"], deviation, atol=1e-5)


def test_another_number_of_rows_is_refused():
    recipe = load_recipe("gaussian-process-sine")
    original = Original.build(recipe.family, recipe.config)
    with pytest.raises(UsageError, match="There are 3 rows to see and places for 100"):
        recipe.fit(original, {"x": np.zeros((3, 1)), "targets": np.zeros(3)}, Settings(), 0)


def test_coverage_counts_the_targets_within_1_96_deviations():
    metric = load_metric("coverage_95")
    arrays = {"predict/x": np.zeros((4, 1)), "targets": np.array([1.95, -1.97, 3.9, 0])}
    outputs = {"value": np.zeros(4, np.float32), "deviation": np.array([1, 1, 2, 0], np.float32)}
    assert metric.figure(arrays, lambda graph, inputs: outputs) == 0.75


def test_the_published_intervals_are_neither_too_narrow_nor_too_wide():
    """0.93 to 0.97 of the 1,000 test targets."""
    manifest = Hub(EMBEDDED).artifact("gaussian-process-sine").manifest
    assert manifest.data["rows"]["test"] == 1000
    assert 0.93 <= manifest.metrics["coverage_95"] <= 0.97
