"""Average precision by hand, and the rules of Pascal VOC on what is a find."""

import numpy as np
import pytest

from zoo.calls import drive
from zoo.metrics import load_metric
from zoo.metrics.mean_average_precision import average_precision, overlaps

METRIC = load_metric("mean_average_precision")
LEFT, RIGHT, FAR = [0.0, 0.0, 0.2, 0.2], [0.5, 0.5, 0.7, 0.7], [0.8, 0.8, 0.9, 0.9]


def arrays(*rows):
    """`rows` are lists of (class, box) of one picture each."""
    longest = max(map(len, rows))
    targets = np.full((len(rows), longest, 5), -1, np.float32)
    for target, row in zip(targets, rows, strict=True):
        for place, (label, box) in enumerate(row):
            target[place] = [label, *box]
    return {"detect/x": np.zeros((len(rows), 1), np.float32), "targets": targets}


def answers(*found):
    """`found` are (picture, class, score, box)."""
    return lambda graph, inputs: {
        "boxes": np.array([box for *_, box in found], np.float32).reshape(-1, 4),
        "scores": np.array([score for *_, score, _ in found], np.float32),
        "labels": np.array([label for _, label, *_ in found], np.int64),
        "image": np.array([picture for picture, *_ in found], np.int64),
    }


def test_the_area_by_hand():
    """Right, wrong, right of three true boxes: precision 1 up to recall 1/3, 2/3 up to 2/3, none beyond."""
    found = average_precision(np.array([0.9, 0.8, 0.7]), np.array([1.0, 0.0, 1.0]), 3)
    assert found == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)


def test_a_higher_precision_at_a_higher_recall_counts():
    """Wrong, right, right of two: precisions 0, 1/2, 2/3, so 2/3 all along."""
    assert average_precision(np.array([0.9, 0.8, 0.7]), np.array([0.0, 1.0, 1.0]), 2) == pytest.approx(2 / 3)


def test_the_order_is_that_of_the_scores():
    scores, right = np.array([0.7, -np.inf, 0.9, 0.8]), np.array([1.0, 0.0, 1.0, 0.0])
    assert average_precision(scores, right, 3) == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)


def test_nothing_found_is_nothing():
    assert METRIC.figure(arrays([(0, LEFT)]), answers()) == 0


def test_all_found_is_one():
    samples = arrays([(0, LEFT), (1, RIGHT)], [(0, FAR)])
    assert METRIC.figure(samples, answers((0, 0, 0.6, LEFT), (0, 1, 0.5, RIGHT), (1, 0, 0.9, FAR))) == 1


def test_a_box_is_found_once():
    """The second find of the same box is wrong: precision 1 up to recall 1/2, then 2/3."""
    samples = arrays([(0, LEFT), (0, RIGHT)])
    found = answers((0, 0, 0.9, LEFT), (0, 0, 0.8, LEFT), (0, 0, 0.7, RIGHT))
    assert METRIC.figure(samples, found) == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)


def test_classes_and_pictures_do_not_mix():
    samples = arrays([(0, LEFT)], [(1, RIGHT)])
    found = answers((0, 1, 0.8, LEFT), (1, 0, 0.9, LEFT), (1, 1, 0.9, RIGHT))
    assert METRIC.figure(samples, found) == pytest.approx((0 + 1) / 2)


def test_an_overlap_of_a_half_is_enough():
    half, less = [0.0, 0.0, 0.1, 0.2], [0.0, 0.0, 0.099, 0.2]
    np.testing.assert_allclose(overlaps(np.array([LEFT]), np.array([half, less, RIGHT])), [[0.5, 0.495, 0]])
    assert METRIC.figure(arrays([(0, [0.0, 0.0, 1.0, 1.0])]), answers((0, 0, 0.9, [0.0, 0.0, 0.5, 1.0]))) == 1
    assert METRIC.figure(arrays([(0, LEFT)]), answers((0, 0, 0.9, less))) == 0


def test_rows_drawn_again_give_their_own_figure():
    samples = arrays([(0, LEFT)], [(0, RIGHT)])
    rows = drive(METRIC.score(samples), answers((0, 0, 0.9, LEFT), (1, 0, 0.8, FAR)))
    assert METRIC.reduce(rows[[0, 0]]) == 1
    assert METRIC.reduce(rows[[1, 1]]) == 0
    assert METRIC.reduce(rows) == pytest.approx(1 / 2)


def test_a_class_without_true_boxes_does_not_count():
    assert METRIC.figure(arrays([(1, LEFT)]), answers((0, 0, 0.9, FAR), (0, 1, 0.9, LEFT))) == 1
