"""Metrics: how good the answers of a model are. One file a metric, which holds `score`.

`score(arrays)` is a plan (`zoo.calls`) over the arrays of an evaluation file (`<graph>/<port>` and `targets`); its result
is one value a row. The metric is their mean, and two models that answer the same rows are compared pair by pair.
`DIRECTION` is +1 where more is better, −1 where less is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np

from zoo.calls import Plan
from zoo.errors import UnknownNameError


@dataclass(frozen=True)
class Metric:
    name: str
    score: Callable[[Mapping[str, np.ndarray]], Plan[np.ndarray]]
    direction: int


@cache
def metric_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__"))


def load_metric(name: str) -> Metric:
    """Raises UnknownNameError."""
    if name not in metric_names():
        raise UnknownNameError("metric", name, metric_names())
    module = import_module(f"zoo.metrics.{name}")
    return Metric(name, module.score, module.DIRECTION)
