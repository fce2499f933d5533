"""Metrics: how good the answers of a model are. One file a metric, which holds `score`.

`score(arrays)` is a plan (`zoo.calls`) over the arrays of an evaluation file (`<graph>/<port>` and `targets`); its result
is one value a row, or a row of statistics where the figure is no mean of rows: then `reduce(rows)` is the figure. Two
models that answer the same rows are compared pair by pair. `DIRECTION` is +1 where more is better, −1 where less is.

A metric that measures with another published model takes its name after a colon: `distance:judge-model`. Its `score` has
that name as its argument `argument`. A metric of what a person gets (a text, say) has the task's codec as `codec`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from zoo.calls import Plan, drive
from zoo.codecs import Codec
from zoo.errors import UnknownNameError
from zoo.spec import Arrays


@dataclass(frozen=True)
class Metric:
    """`score` gives the rows of a figure, `reduce` the figure of rows; `is_mean` says that `reduce` is their mean."""

    name: str
    score: Callable[[Mapping[str, np.ndarray]], Plan[np.ndarray]]
    reduce: Callable[[np.ndarray], float]
    direction: int
    is_mean: bool

    def figure(self, arrays: Mapping[str, np.ndarray], run: Callable[[str, Arrays], Arrays]) -> float:
        """The figure of these samples, every call answered by `run(graph, inputs)`."""
        return self.reduce(drive(self.score(arrays), run))

    def resample(self, reference: np.ndarray, found: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
        """`count` differences found − reference, (count,), of rows drawn again with replacement, a pair together.

        The paired bootstrap (Efron and Tibshirani 1993, chapter 13, https://doi.org/10.1201/9780429246593).
        """
        drawn = (rng.integers(0, len(found), len(found)) for _ in range(count))
        return np.array([self.reduce(found[rows]) - self.reduce(reference[rows]) for rows in drawn])


@cache
def metric_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__"))


def load_metric(name: str, codec: Codec | None = None) -> Metric:
    """Raises UnknownNameError."""
    stem, _, argument = name.partition(":")
    if stem not in metric_names():
        raise UnknownNameError("metric", stem, metric_names())
    module = import_module(f"zoo.metrics.{stem}")
    given: dict[str, Any] = {"argument": argument} if argument else {}
    if "codec" in signature(module.score).parameters:
        given["codec"] = codec
    score = partial(module.score, **given)
    reduce = getattr(module, "reduce", None)
    return Metric(name, score, reduce or _mean, module.DIRECTION, reduce is None)


def _mean(rows: np.ndarray) -> float:
    return float(rows.mean())
