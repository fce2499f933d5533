"""The Fréchet distance, by distributions whose distance is known."""

import numpy as np
import pytest

from zoo.metrics import load_metric
from zoo.metrics.frechet_distance import distance, reduce

LINE = np.array([[-1.0], [0.0], [1.0]])  # mean 0, variance 1


def test_of_two_normal_distributions_on_a_line():
    """(0 − 3)² + (1 − 2)²: from N(0, 1) to N(3, 4)."""
    assert distance(LINE, 3 + 2 * LINE) == pytest.approx(10)


def test_nothing_lies_between_a_sample_and_itself():
    sample = np.random.default_rng(0).standard_normal((50, 4))
    assert distance(sample, sample) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("u", "v"), [([1, 0], [1, 1]), ([2, 1], [-1, 3]), ([1, 0], [0, 1])])
def test_of_two_lines_in_a_plane(u, v):
    """C = u uᵀ and C' = v vᵀ do not commute: tr (C C')^½ = |u · v|, so d² = |u|² + |v|² − 2 |u · v|."""
    u, v = np.array(u, float), np.array(v, float)
    assert distance(LINE * u, LINE * v) == pytest.approx(u @ u + v @ v - 2 * abs(u @ v), abs=1e-9)


def test_the_figure_is_one_of_all_rows():
    assert reduce(np.concatenate([LINE, 3 + 2 * LINE], axis=1)) == pytest.approx(10)


def test_the_judge_is_a_published_classifier():
    """Real pictures given for generated ones are at no distance, their negatives far away."""
    metric = load_metric("frechet_distance:lenet5-mnist")
    assert metric.direction == -1
    assert not metric.is_mean
    real = np.random.default_rng(0).integers(0, 256, size=(40, 28, 28)).astype(np.uint8)
    arrays = {"generate/z": np.zeros((40, 3), np.float32), "targets": real}
    shown = {"same": real, "negative": 255 - real}
    found = {
        name: metric.figure(
            arrays, lambda graph, inputs, made=made: {"picture": (made[:, None] / 127.5 - 1).astype(np.float32)}
        )
        for name, made in shown.items()
    }
    assert found["same"] == pytest.approx(0, abs=1e-6)
    assert found["negative"] > 0.5
