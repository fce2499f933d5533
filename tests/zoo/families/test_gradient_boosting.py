"""Gradient boosting: seed 001's example 5.3 through the exported graph, and checkpoints that are refused."""

import numpy as np
import pytest

from export.exporter import export_graph
from zoo.errors import CheckpointError
from zoo.families.classical.gradient_boosting import Config, inspect
from zoo.metrics import load_metric
from zoo.original import Original
from zoo.session import Session

X, TARGETS = np.array([[1], [2], [3], [4]], np.float32), np.array([10, 20, 30, 40], np.float32)


def fitted(**config):
    original = Original.build("gradient-boosting", Config(in_features=1, num_trees=1, depth=1, **config))
    original.model.fit(X, TARGETS)
    return original


@pytest.mark.parametrize(("shrinkage", "values"), [(0.5, [20, 20, 30, 30]), (0.1, [24, 24, 26, 26]), (1, [15, 15, 35, 35])])
def test_the_documents_example(tmp_path, shrinkage, values):
    """S1, lines 3773 to 3781: 25 first, residuals −15, −5, 5, 15; the best stump has them in two, −10 and 10."""
    original = fitted(shrinkage=shrinkage)
    assert original.model.init_.constant_ == 25
    [graph] = original.graphs
    export_graph(original, graph, tmp_path / graph.file)
    found = Session(tmp_path / graph.file, graph).run({"x": X})["value"]
    assert found.shape == (4,)
    np.testing.assert_allclose(found, values, rtol=1e-6)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda model: model.estimators_[0, 0].tree_.children_left.__setitem__(0, 0), "does not come after it"),
        (lambda model: model.estimators_[0, 0].tree_.children_right.__setitem__(0, 3), "does not come after it"),
        (lambda model: model.estimators_[0, 0].tree_.children_right.__setitem__(0, -1), "one child"),
        (lambda model: model.estimators_[0, 0].tree_.feature.__setitem__(0, 7), "feature is out of range"),
        (lambda model: setattr(model, "estimators_", model.estimators_[:0]), "as many trees as rounds"),
        (lambda model: setattr(model, "init_", model.estimators_[0, 0]), "no constant"),
    ],
)
def test_a_malformed_checkpoint_is_refused(tmp_path, damage, sentence):
    original = fitted()
    inspect(original.model)
    damage(original.model)
    original.save(tmp_path / "checkpoint")
    with pytest.raises(CheckpointError, match=sentence):
        Original.load(tmp_path / "checkpoint")


def test_r2_is_the_share_of_the_variance():
    """Of 1, 2, 3, 6 around 3 the squares are 14; the answers miss by 1, 0, 0, 2: 1 − 5/14."""
    metric = load_metric("r2")
    arrays = {"predict/x": np.zeros((4, 1)), "targets": np.array([1, 2, 3, 6.0])}
    assert metric.figure(arrays, lambda graph, inputs: {"value": np.array([2, 2, 3, 4.0])}) == pytest.approx(9 / 14)
    assert metric.figure(arrays, lambda graph, inputs: {"value": np.full(4, 3.0)}) == 0
    assert np.isnan(metric.reduce(np.ones((3, 2))))
    assert metric.direction == 1
