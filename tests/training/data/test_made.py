"""Data that is made here: noisy copies of pictures, and points of a hypercube."""

import numpy as np

from training.data import hypercube, prototypes


def test_the_patterns_that_are_chosen_lie_far_apart():
    """1110 and 1101 differ in two places. 0000 is farther from 1101, in three, and 1111 then in four from that."""
    rows = np.array([[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 0, 1], [1, 1, 1, 1]])
    chosen = prototypes.far_apart(np.float32(2 * rows - 1), np.array([0, 0, 1, 1]))
    assert chosen.tolist() == [[-1] * 4, [1] * 4]


def test_ink_is_one_from_half_the_white():
    assert prototypes.as_patterns(np.array([[[0, 127], [128, 255]]])).tolist() == [[-1, -1, 1, 1]]


def test_noise_turns_over_its_share_of_every_pattern():
    patterns = np.ones((50, 20), np.float32)
    noisy = prototypes.turned_over(patterns, 0.3, np.random.default_rng(0))
    assert (noisy == -1).sum(axis=1).tolist() == [6] * 50
    assert (noisy == -1).mean(axis=0).min() > 0  # no unit is spared
    assert len(np.unique(noisy, axis=0)) > 1
    assert np.array_equal(prototypes.turned_over(patterns, 0, np.random.default_rng(0)), patterns)


def test_copies_differ_from_their_picture_in_so_many_pixels(raw_data, monkeypatch):
    raw_data(monkeypatch)
    dataset = prototypes.load(0.25)
    for split in (dataset.train, dataset.test):
        assert (split.raws.shape, split.raws.dtype) == ((1000, 28, 28), np.uint8)
        off = (split.raws.reshape(1000, -1) > 127) != (split.targets > 0)
        assert off.sum(axis=1).tolist() == [196] * 1000
        assert len(np.unique(split.targets, axis=0)) == 10
    assert not np.array_equal(dataset.train.raws, dataset.test.raws)


def test_points_belong_to_the_nearest_corner():
    dataset = hypercube.load([(1, 1), (-1, 1)], [((0, 0), (0, 0.5))])
    points, corners = dataset.test.raws, dataset.test.targets
    assert (points[0].tolist(), corners[0].tolist()) == ([0, 0], [0, 0.5])
    assert np.array_equal(corners[1:, 0], np.sign(points[1:, 0]))
    assert np.unique(corners[1:, 1]).tolist() == [1]
    assert len(dataset.train) == len(dataset.test) - 1 == hypercube.ROWS
    assert np.abs(points).max() <= 1
