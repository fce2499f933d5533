"""Inputs that are drawn: noise as its port says."""

import numpy as np
import pytest

from export.inputs import draw
from zoo.spec import Graph, Port


@pytest.mark.parametrize(
    ("limits", "mean", "variance", "leaves"),
    [({"low": 0, "high": 2}, 1, 1 / 3, False), ({"low": -2, "high": 2}, 0, 1, True), ({}, 0, 1, True)],
    ids=["uniform from 0", "normal", "normal without a range"],
)
def test_noise_is_uniform_over_a_range_that_begins_at_0_and_normal_otherwise(limits, mean, variance, leaves):
    noise = Port(name="noise", dtype="float32", shape=("batch", 4), role="noise", **limits)
    graph = Graph(inputs=(noise,), outputs=(Port(name="y", dtype="float32", shape=("batch", 4)),))
    drawn = draw(graph, {"batch": 10_000}, np.random.default_rng(0))["noise"]
    assert drawn.mean() == pytest.approx(mean, abs=0.02)  # four standard errors of 40,000
    assert drawn.var() == pytest.approx(variance, abs=0.03)
    assert (drawn.min() < 0 or drawn.max() > 2) == leaves
