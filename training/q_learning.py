"""Deep Q-learning: a network learns the values of actions from what came of those that it took.

Algorithm 1 of Mnih et al. (2015), https://doi.org/10.1038/nature14236: transitions are kept and drawn again at random, the
values behind them are those of an older copy of the network, and no error counts more than linearly. Acting and learning
alternate by rounds here, in the paper by steps. Where a time limit cuts an episode its last state is valued as any other:
nothing ended there.

Shape letters: B batch, O numbers that are observed, A actions, N transitions that are kept.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.recipe import Settings


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How an agent explores and learns: in rounds of so many steps of the environment, and as many of the optimiser."""

    discount: float = 0.99  # γ
    kept: int = 50_000  # transitions
    first: int = 1000  # steps, all drawn, before the first round
    steps: int = 500  # of a round
    updates: int = 500  # of a round
    random: float = 0.05  # share of actions that are drawn, in the end
    explored: int = 10_000  # steps in which it falls from 1 to that


class Transitions(NamedTuple):
    """What was observed (B, O), done (B,), given (B,) and observed then (B, O); `ended` is 1 where nothing comes after."""

    x: Tensor
    actions: Tensor
    rewards: Tensor
    following: Tensor
    ended: Tensor


class Replay:
    """The last `capacity` transitions; older ones make room."""

    def __init__(self, capacity: int, observed: int) -> None:
        self.x_NO = np.zeros((capacity, observed), np.float32)
        self.actions_N = np.zeros(capacity, np.int64)
        self.rewards_N = np.zeros(capacity, np.float32)
        self.next_NO = np.zeros((capacity, observed), np.float32)
        self.ended_N = np.zeros(capacity, np.float32)
        self.added = 0

    def __len__(self) -> int:
        return min(self.added, len(self.actions_N))

    def add(self, x_O: np.ndarray, action: int, reward: float, next_O: np.ndarray, ended: bool) -> None:
        at = self.added % len(self.actions_N)
        self.x_NO[at], self.actions_N[at], self.rewards_N[at] = x_O, action, reward
        self.next_NO[at], self.ended_N[at] = next_O, ended
        self.added += 1

    def draw(self, count: int, rng: np.random.Generator) -> Transitions:
        """`count` of them, each as likely as any other, one maybe several times."""
        rows = rng.integers(len(self), size=count)
        kept = (self.x_NO, self.actions_N, self.rewards_N, self.next_NO, self.ended_N)
        return Transitions(*(torch.from_numpy(array[rows]) for array in kept))


def bellman_targets(rewards_B: Tensor, ended_B: Tensor, next_values_BA: Tensor, discount: float) -> Tensor:
    """r + γ max_a Q(x', a), (B,), and the reward alone where the episode ended."""
    return rewards_B + discount * (1 - ended_B) * next_values_BA.amax(dim=1)


def huber_loss(values: nn.Module, older: nn.Module, batch: Transitions, discount: float) -> Tensor:
    """Mean over the batch: half the square of an error up to 1, linear beyond (Huber 1964)."""
    with torch.no_grad():
        targets_B = bellman_targets(batch.rewards, batch.ended, older(batch.following), discount)
    found_B = values(batch.x).gather(1, batch.actions[:, None])[:, 0]
    return functional.huber_loss(found_B, targets_B)


class Agent:
    """Acts in an environment of gymnasium with numbered actions, and teaches `values`, a network (B, O) → (B, A)."""

    def __init__(
        self, values: nn.Module, environment: gymnasium.Env[np.ndarray, Any], rules: Rules, settings: Settings, seed: int
    ) -> None:
        self.values, self.environment, self.rules, self.settings = values, environment, rules, settings
        self.optimizer = torch.optim.Adam(values.parameters(), lr=settings.lr, fused=True)
        self.rng = np.random.default_rng(seed)
        self.x_O, _ = environment.reset(seed=int(self.rng.integers(2**31)))
        self.replay = Replay(rules.kept, len(self.x_O))
        for _ in range(rules.first):
            self._act(randomness=1)

    def round(self) -> float:
        """Act, then learn from what is remembered, beside the network as it is now; the mean loss."""
        for _ in range(self.rules.steps):
            share = self.replay.added / self.rules.explored
            self._act(randomness=max(self.rules.random, 1 - (1 - self.rules.random) * share))
        older = copy.deepcopy(self.values)
        return sum(self._learn(older) for _ in range(self.rules.updates)) / self.rules.updates

    def _act(self, randomness: float) -> None:
        action = self._draw() if self.rng.random() < randomness else self._best()
        next_O, reward, ended, cut, _ = self.environment.step(action)
        self.replay.add(self.x_O, action, float(reward), next_O, ended)
        self.x_O = self.environment.reset()[0] if ended or cut else next_O

    def _draw(self) -> int:
        return int(self.rng.integers(self.environment.action_space.n))  # type: ignore[attr-defined]

    @torch.no_grad()
    def _best(self) -> int:
        return int(self.values(torch.from_numpy(self.x_O)[None]).argmax())

    def _learn(self, older: nn.Module) -> float:
        batch = self.replay.draw(self.settings.batch_size, self.rng)
        loss = huber_loss(self.values, older, batch, self.rules.discount)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.values.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        return loss.item()
