"""Kernel machines: two points by hand, and checkpoints that are refused."""

import numpy as np
import pytest

from zoo.errors import CheckpointError
from zoo.families.classical.kernel_svm import Config, inspect
from zoo.original import Original

ROWS = np.array([[0, 0], [4, 0], [0, 4]], np.float32)


@pytest.fixture
def original():
    made = Original.build("kernel-svm", Config(in_features=2, classes=3, gamma=0.05, penalty=100))
    made.model.fit(ROWS, np.arange(3))
    return made


def test_the_rows_that_it_was_fitted_to_are_on_their_margins(original):
    """Three points can be parted by each class's kernel expansion, and each is a support vector: s = ±1 there."""
    [graph] = original.graphs
    found = original.call(graph, {"x": ROWS})
    assert found["label"].tolist() == [0, 1, 2]
    np.testing.assert_allclose(found["scores"], 2 * np.eye(3) - 1, atol=2e-3)  # libsvm stops at 1e-3


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("support_vectors_", lambda array: array[:-1]),
        ("support_vectors_", lambda array: array[:, :1]),
        ("_dual_coef_", lambda array: array[:, :-1]),
        ("_dual_coef_", lambda array: array * np.nan),
        ("_intercept_", lambda array: array[:0]),
        ("_n_support", lambda array: array + 1),
        ("_n_support", lambda array: np.array([-1, array.sum() + 1], array.dtype)),
        ("support_", lambda array: array[:-1]),
        ("kernel", lambda name: "linear"),
        ("_sparse", lambda flag: True),
        ("n_features_in_", lambda count: 5),
    ],
)
def test_a_malformed_checkpoint_is_refused(original, tmp_path, field, change):
    inspect(original.model)
    machine = original.model.estimators_[1]
    setattr(machine, field, change(getattr(machine, field)))
    original.save(tmp_path / "checkpoint")
    with pytest.raises(CheckpointError, match=r"estimator\.skops"):
        Original.load(tmp_path / "checkpoint")


def test_a_machine_too_few_is_refused(original, tmp_path):
    original.model.estimators_ = original.model.estimators_[:2]
    original.save(tmp_path / "checkpoint")
    with pytest.raises(CheckpointError, match="not as many machines as classes"):
        Original.load(tmp_path / "checkpoint")
