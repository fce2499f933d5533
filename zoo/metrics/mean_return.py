"""Mean return of episodes: the rewards that the model's actions bring from a start until the end, added up.

The codec says which environment is played. The actions are the model's own, none are drawn; starts are the targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.calls import Call, Plan
from zoo.environments import load_environment

DIRECTION = 1


def score(arrays: Mapping[str, np.ndarray], codec: Any) -> Plan[np.ndarray]:
    """The return of each episode that starts in a row of `targets` (rows, state); those that run take a step together."""
    environment = load_environment(codec.environment)
    states = arrays["targets"].astype(np.float64)
    returns, running = np.zeros(len(states)), np.arange(len(states))
    for _ in range(environment.MAX_STEPS):
        outputs = yield Call(codec.graph, {codec.port: states.astype(np.float32)})
        states, rewards, ended = environment.step(states, outputs[codec.action])
        returns[running] += rewards
        states, running = states[~ended], running[~ended]
        if not len(running):
            break
    return returns
