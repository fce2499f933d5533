"""Vector quantisers: the nearest prototype, and the two ways of finding prototypes, k-means and Kohonen's map."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from training.recipes.classical import kmeans_digits
from training.self_organising_map import (
    Schedule,
    fit_map,
    places,
    quantisation_error,
    step,
    topographic_error,
)
from zoo.families.classical.vector_quantiser import Config, VectorQuantiser
from zoo.original import Original

CORNERS = [[0, 0], [0, 1], [1, 0], [1, 1]]


def quantiser(prototypes):
    model = VectorQuantiser(Config(in_features=len(prototypes[0]), columns=len(prototypes)))
    model.load_state_dict({"prototypes_UI": torch.tensor(prototypes, dtype=torch.float32)})
    return model


def test_the_nearest_prototype_wins_and_the_first_of_two_that_are_equally_near():
    label, nearness = quantiser(CORNERS)(torch.tensor([[0.1, 0.8], [0.5, 1], [1, 0]]))
    assert label.tolist() == [1, 1, 2]
    expected = -np.sqrt([[0.65, 0.05, 1.45, 0.85], [1.25, 0.25, 1.25, 0.25], [1, 2, 0, 1]])
    assert nearness.detach().numpy() == pytest.approx(expected, abs=1e-6)


def test_distances_next_to_a_prototype_are_not_lost():
    """|x|² − 2xᵀc + |c|² gives 0 or 3e-4 here, and not 1e-5."""
    model = quantiser([[0.7] * 64, [0.2] * 64])
    x = torch.full((1, 64), 0.7, dtype=torch.float32)
    x[0, 0] += 1e-5
    assert -model(x)[1][0, 0].item() == pytest.approx(1e-5, rel=0.01)


def test_a_prototype_is_given_by_its_number():
    assert quantiser(CORNERS).prototype(torch.tensor([3, 0, 3])).tolist() == [[1, 1], [0, 0], [1, 1]]


def test_the_clusters_are_those_of_scikit_learn_with_the_largest_first():
    rng = np.random.default_rng(0)
    counts, centres = [10, 40, 25], np.array([[0, 0], [5, 0], [0, 5]])
    x = np.concatenate([rng.normal(centre, 0.1, (count, 2)) for centre, count in zip(centres, counts, strict=True)])
    original = Original.build("vector-quantiser", Config(in_features=2, columns=3))
    kmeans_digits.fit(original, {"x": x}, kmeans_digits.RECIPE.settings, 0)
    label, nearness = original.model(torch.tensor(x, dtype=torch.float32))
    assert np.bincount(label).tolist() == [40, 25, 10]
    inertia = nearness.detach().numpy().max(axis=1) ** 2
    assert inertia.sum() == pytest.approx(KMeans(3, n_init=10, random_state=1).fit(x).inertia_, rel=1e-4)


def test_a_step_of_the_map_worked_by_hand():
    """Three units in a row, rate 1/2, width 1: the winner goes half the way, its neighbours e^−½ and e^−2 of that."""
    c = np.array([[0.0], [1.0], [2.0]])
    step(c, np.array([-1.0]), places(1, 3), rate=0.5, width=1.0)
    assert c[:, 0] == pytest.approx([-0.5, 1 - 0.5 * np.exp(-0.5) * 2, 2 - 0.5 * np.exp(-2) * 3])


def test_rate_and_width_fall_by_equal_factors():
    schedule = Schedule(rate=(0.4, 0.1), width=(9, 1))
    assert schedule.at(0) == (0.4, 9)
    assert schedule.at(0.5) == pytest.approx((0.2, 3))
    assert schedule.at(1) == pytest.approx((0.1, 1))


def test_the_errors_of_a_map_worked_by_hand():
    """Units 0 to 3 on a 1 × 4 grid; two are out of order, so that what lies between 0 and 1 has units 0 and 2 nearest."""
    c, z = np.array([[0.0], [2.0], [1.0], [5.0]]), places(1, 4)
    x = np.array([[0.4], [1.6], [1.4], [5.0]])
    assert quantisation_error(x, c) == pytest.approx((0.4 + 0.4 + 0.4 + 0) / 4)
    assert topographic_error(x, c, z) == pytest.approx(2 / 4)  # (0, 2) and, of 5.0, (3, 1)
    assert places(2, 3).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]


def test_a_map_of_a_square_lies_in_order_and_its_error_falls():
    x = np.random.default_rng(0).random((400, 2))
    c, curves = fit_map(x, 4, 4, Schedule(rate=(0.5, 0.05), width=(2, 0.5)), epochs=8, seed=0)
    assert curves["quantisation_error"][-1] < 0.75 * curves["quantisation_error"][0]
    assert curves["topographic_error"][-1] < 0.05
    along = c.reshape(4, 4, 2)
    for axis in (0, 1):  # each step along the grid leads the same way in the square
        steps = np.diff(along, axis=axis).reshape(-1, 2)
        largest = np.abs(steps.mean(axis=0)).argmax()
        assert (steps[:, largest] > 0).all() or (steps[:, largest] < 0).all()
