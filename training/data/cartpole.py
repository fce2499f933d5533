"""CartPole-v1 of gymnasium: starts of episodes, and a state that random actions lead to from each of them.

An agent makes its own training data by acting. What stands here is where it is judged, and what it may come to observe.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import gymnasium
import numpy as np

from training.data.dataset import Dataset, Split

NAME = "CartPole-v1"
COLUMNS = ("cart position", "cart velocity", "pole angle", "pole angular velocity")
UNITS = ("m", "m/s", "rad", "rad/s")
ACTIONS = ("push left", "push right")
SEEDS = {"train": range(1000, 1400), "validation": range(100, 200), "test": range(100)}  # of gymnasium, an episode each


def make() -> gymnasium.Env[np.ndarray, Any]:
    return gymnasium.make(NAME, disable_env_checker=True)


@cache
def load() -> Dataset:
    """Raws float32 (N, 4): a state that is visited; targets float64 (N, 4): the start of its episode.

    400 episodes for training, 100 each to validate and to test.
    """
    environment = make()
    return Dataset(
        name="CartPole-v1",
        source="https://gymnasium.farama.org/environments/classic_control/cart_pole/",
        licence="MIT",
        note="A row is an episode: its seed gives the start, which is scored, and random actions lead to the row's state. "
        "The agent learns from the episodes that it makes itself.",
        labels=(),
        **{name: _episodes(environment, seeds) for name, seeds in SEEDS.items()},
    )


def _episodes(environment: gymnasium.Env[np.ndarray, Any], seeds: range) -> Split:
    starts, visited = zip(*(_episode(environment, seed) for seed in seeds), strict=True)
    return Split(raws=np.stack(visited), targets=np.stack(starts))


def _episode(environment: gymnasium.Env[np.ndarray, Any], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The start by this seed, as exact as the simulator has it, and what is observed at one of the random steps from it."""
    rng = np.random.default_rng(seed)
    state, _ = environment.reset(seed=seed)
    start = np.array(environment.unwrapped.state)  # type: ignore[attr-defined]
    visited, over = [state], False
    while not over:
        state, _, ended, cut, _ = environment.step(int(rng.integers(2)))
        visited.append(state)
        over = ended or cut
    return start, visited[rng.integers(len(visited))]
