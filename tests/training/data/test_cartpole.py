"""Starts of episodes and states that are visited, from gymnasium itself."""

import gymnasium
import numpy as np

from training.data import cartpole

DATASET = cartpole.load()


def test_starts_are_those_of_the_seeds():
    environment = gymnasium.make("CartPole-v1")
    for split, seed in ((DATASET.test, 0), (DATASET.validation, 100), (DATASET.train, 1000)):
        for row in (0, len(split) - 1):
            observed, _ = environment.reset(seed=seed + row)
            assert split.targets.dtype == np.float64
            assert np.array_equal(split.targets[row].astype(np.float32), observed)
    assert (len(DATASET.train), len(DATASET.validation), len(DATASET.test)) == (400, 100, 100)


def test_every_episode_begins_near_the_middle_and_elsewhere():
    starts = np.concatenate([split.targets for split in (DATASET.train, DATASET.validation, DATASET.test)])
    assert 0.045 < np.abs(starts).max() <= 0.05
    assert len(np.unique(starts, axis=0)) == 600


def test_visited_states_are_within_reach_of_random_actions():
    visited = DATASET.train.raws
    assert visited.dtype == np.float32
    assert 0.1 < np.abs(visited[:, 2]).max() < 0.3  # up to where the pole is lost, and one step on
    assert np.abs(visited[:, 1]).max() > 0.5
    moved = np.abs(visited - DATASET.train.targets).max(axis=1)
    assert (moved == 0).mean() < 0.2  # few are starts
    assert np.median(moved) > 0.2
