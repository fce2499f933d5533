"""The task metric, scored row by row by the original and by the graphs, and compared pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from zoo.calls import drive, in_parts
from zoo.metrics import Metric
from zoo.original import Original
from zoo.session import Session
from zoo.spec import Arrays

ROWS = 256  # rows of one call
RESAMPLES = 2000
CONFIDENCE = 0.95

Run = Callable[[str, Arrays], Arrays]


@dataclass(frozen=True)
class Comparison:
    """A metric of two models on the same rows: `difference` is found − reference, `low` to `high` its 95 % interval.

    The interval is that of the paired bootstrap.
    """

    metric: str
    rows: int
    reference: float
    found: float
    difference: float
    low: float
    high: float


def score_rows(metric: Metric, samples: Mapping[str, np.ndarray], run: Run) -> np.ndarray:
    """The metric's statistics of every row, (rows, …)."""
    return drive(metric.score(samples), run)


def by_session(sessions: Mapping[str, Session]) -> Run:
    """Calls answered by sessions, a graph's name each, some hundred rows at a time."""
    return lambda name, inputs: in_parts(
        sessions[name].graph, sessions[name].graph.complete(inputs), ROWS, sessions[name].run
    )


def by_original(original: Original) -> Run:
    """Calls answered by the original in float32."""

    def run(name: str, inputs: Arrays) -> Arrays:
        graph = original.graph(name)
        return in_parts(graph, inputs, ROWS, lambda part: original.call(graph, part))

    return run


def compare_scores(metric: Metric, reference: np.ndarray, found: np.ndarray, rng: np.random.Generator) -> Comparison:
    """Both (rows, …). The interval has width 0 where every row scores alike."""
    differences = metric.resample(reference, found, rng, RESAMPLES)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    expected, value = metric.reduce(reference), metric.reduce(found)
    return Comparison(metric.name, len(found), expected, value, value - expected, float(low), float(high))
