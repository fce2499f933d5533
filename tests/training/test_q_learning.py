"""Deep Q-learning by hand: targets, errors, what is remembered, and worlds whose values are known."""

from itertools import pairwise

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

from training.q_learning import Agent, Replay, Rules, Transitions, bellman_targets, huber_loss
from training.recipe import Settings

RULES = Rules(discount=0.5, kept=200, first=50, steps=20, updates=30, random=0.5, explored=100)
SETTINGS = Settings(lr=0.05, batch_size=32, gradient_clip=10)


class Choice(gymnasium.Env):
    """Two rooms. In the first, action 0 ends with reward 0.25, action 1 leads to the second, without one; there action 0
    ends with reward 1 and action 1 with 3. `cut` ends every episode after its first step, by the clock."""

    def __init__(self, cut=False):
        self.cut = cut
        self.action_space = gymnasium.spaces.Discrete(2)
        self.observation_space = gymnasium.spaces.Box(0, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        self.room = 0
        return self.observed(), {}

    def step(self, action):
        reward = [[0.25, 0], [1, 3]][self.room][action]
        ended = self.room == 1 or action == 0
        self.room = 1
        return self.observed(), reward, ended, self.cut, {}

    def observed(self):
        return np.eye(2, dtype=np.float32)[self.room]


def agent(seed=0, rules=RULES, **options):
    torch.manual_seed(seed)
    return Agent(nn.Linear(2, 2), Choice(**options), rules, SETTINGS, seed)


def test_the_target_is_the_reward_and_what_the_best_next_action_is_worth():
    """1 + 0.9 · 5 = 5.5; where the episode ended nothing follows the reward of 2."""
    targets = bellman_targets(torch.tensor([1.0, 2]), torch.tensor([0.0, 1]), torch.tensor([[2.0, 5], [7, 3]]), 0.9)
    assert targets.tolist() == pytest.approx([5.5, 2])


def test_a_large_error_counts_linearly_and_the_older_network_is_left_alone():
    """Values are the inputs, times two in the older network. Row 1: 1 + 0.5 · 2 · 4 = 5 against 5.5, so 0.5²/2 = 0.125.
    Row 2: 2 against 5, so 3 − 0.5 = 2.5."""
    newer, older = (nn.Linear(2, 2, bias=False) for _ in range(2))
    with torch.no_grad():
        newer.weight.copy_(torch.eye(2))
        older.weight.copy_(2 * torch.eye(2))
    batch = Transitions(
        torch.tensor([[5.5, 0], [0, 5]]), torch.tensor([0, 1]), torch.tensor([1.0, 2]), torch.tensor([[4.0, 3], [9, 9]]),
        torch.tensor([0.0, 1]),
    )  # fmt: skip
    loss = huber_loss(newer, older, batch, discount=0.5)
    assert loss.item() == pytest.approx((0.125 + 2.5) / 2)
    loss.backward()
    assert newer.weight.grad.tolist() == [[pytest.approx(0.5 * 5.5 / 2), 0], [0, pytest.approx(5 / 2)]]
    assert older.weight.grad is None


def test_the_last_transitions_are_remembered_and_all_are_drawn():
    replay = Replay(3, 1)
    for number in range(5):
        replay.add(np.float32([number]), number % 2, number / 2, np.float32([number + 1]), number == 4)
        assert len(replay) == min(number + 1, 3)
    drawn = replay.draw(64, np.random.default_rng(0))
    rows = {tuple(np.concatenate([part.reshape(64, -1)[row] for part in drawn]).tolist()) for row in range(64)}
    assert rows == {(2, 0, 1, 3, 0), (3, 1, 1.5, 4, 0), (4, 0, 2, 5, 1)}


def test_nothing_is_drawn_of_what_is_not_there_yet():
    replay = Replay(100, 1)
    replay.add(np.float32([7]), 1, 1.0, np.float32([8]), False)
    assert replay.draw(50, np.random.default_rng(0)).x.unique().tolist() == [7]


def test_episodes_follow_one_another_and_the_clock_ends_nothing():
    replay = agent().replay
    first, then = replay.x_NO[:50].argmax(axis=1), replay.next_NO[:50].argmax(axis=1)
    for (room, following), ended in zip(pairwise(first), replay.ended_N, strict=False):
        assert following == (0 if ended else room + 1)
    assert replay.ended_N[:50].tolist() == [
        float(room or not action) for room, action in zip(first, replay.actions_N, strict=False)
    ]
    assert then.tolist() == [1] * 50
    cut = agent(cut=True).replay
    assert cut.x_NO[:50].argmax(axis=1).max() == 0
    assert cut.ended_N[:50].tolist() == (1 - cut.actions_N[:50]).tolist()


def test_the_values_of_two_rooms_are_learnt():
    """Q = [[0.25, 0 + 0.5 · 3], [1, 3]]: with γ = 0.5 the longer way is the better one."""
    learner = agent()
    losses = [learner.round() for _ in range(12)]
    values = learner.values(torch.eye(2)).detach()
    assert values.numpy() == pytest.approx(np.array([[0.25, 1.5], [1, 3]]), abs=0.05)
    assert losses[-1] < 0.01 * losses[0]


def test_actions_are_the_best_ones_once_exploration_is_over():
    learner = agent(rules=Rules(discount=0.5, kept=1000, first=50, steps=40, updates=20, random=0, explored=100))
    for _ in range(10):
        learner.round()
    assert learner.replay.actions_N[350:450].tolist() == [1] * 100
    assert 10 < learner.replay.actions_N[:50].sum() < 40


def test_a_seed_gives_the_same_weights():
    first, again, other = (agent(seed) for seed in (0, 0, 1))
    for learner in (first, again, other):
        learner.round()
    assert torch.equal(first.values.weight, again.values.weight)
    assert not torch.equal(first.values.weight, other.values.weight)
