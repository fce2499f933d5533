"""Environments: worlds that act on what an agent does, in NumPy, for many episodes at once. One file a world.

`zoo.environments.<name>` has

- `step(states, actions)` → the next states, the rewards, and which episodes ended with this step, a row an episode,
- `MAX_STEPS`, after which an episode is over in any case.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from zoo.errors import UnknownNameError


class Environment(Protocol):
    MAX_STEPS: int

    def step(self, states: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...


@cache
def environment_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem.replace("_", "-") for path in Path(__file__).parent.glob("*.py") if path.stem[0] != "_"))


def load_environment(name: str) -> Environment:
    """Raises UnknownNameError."""
    if name not in environment_names():
        raise UnknownNameError("environment", name, environment_names())
    return cast(Environment, import_module(f"zoo.environments.{name.replace('-', '_')}"))
