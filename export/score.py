"""The task metric, scored row by row by the original and by the graphs, and compared pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from zoo.calls import drive
from zoo.metrics import Metric
from zoo.original import Original
from zoo.session import Session
from zoo.spec import Arrays, Graph

ROWS = 256  # rows of one call
RESAMPLES = 2000
CONFIDENCE = 0.95

Run = Callable[[str, Arrays], Arrays]


@dataclass(frozen=True)
class Comparison:
    """A metric of two models on the same rows: `difference` is found − reference, `low` to `high` its 95 % interval.

    The interval is a paired bootstrap's (Efron and Tibshirani 1993, chapter 13, https://doi.org/10.1201/9780429246593):
    rows are drawn again with replacement, both models' scores of a row together.
    """

    metric: str
    rows: int
    reference: float
    found: float
    difference: float
    low: float
    high: float


def score_rows(metric: Metric, samples: Mapping[str, np.ndarray], run: Run) -> np.ndarray:
    """The metric's value of every row, (rows,) float64."""
    return drive(metric.score(samples), run)


def by_session(sessions: Mapping[str, Session]) -> Run:
    """Calls answered by sessions, a graph's name each, some hundred rows at a time."""
    return lambda name, inputs: _in_parts(sessions[name].graph, inputs, sessions[name].run)


def by_original(original: Original) -> Run:
    """Calls answered by the original in float32."""

    def run(name: str, inputs: Arrays) -> Arrays:
        graph = original.graph(name)
        return _in_parts(graph, inputs, lambda part: original.call(graph, part))

    return run


def compare_scores(metric: Metric, reference: np.ndarray, found: np.ndarray, rng: np.random.Generator) -> Comparison:
    """Both (rows,). The interval has width 0 where every row scores alike."""
    differences = found - reference
    rows = len(differences)
    means = np.array([differences[rng.integers(0, rows, rows)].mean() for _ in range(RESAMPLES)])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Comparison(
        metric.name, rows, float(reference.mean()), float(found.mean()), float(differences.mean()), float(low), float(high)
    )


def _in_parts(graph: Graph, inputs: Arrays, run: Callable[[Arrays], Arrays]) -> Arrays:
    if graph.batch is None:
        return run(inputs)
    rows = len(next(iter(inputs.values())))
    parts = [run({name: array[start : start + ROWS] for name, array in inputs.items()}) for start in range(0, rows, ROWS)]
    return {port.name: np.concatenate([part[port.name] for part in parts]) for port in graph.outputs}
