"""The published graphs on the whole test split: interval, confusion matrix, how sure the answers are.

The samples are those of the run folder, which is not published; the result is kept by `zoo.cards.measured`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.calls import drive, in_parts
from zoo.cards.intervals import RESAMPLES, bootstrap_interval, wilson_interval
from zoo.codecs import make_codec
from zoo.codecs.classes import softmax
from zoo.errors import IntegrityError
from zoo.hub import Artifact
from zoo.metrics import Metric, load_metric
from zoo.model import Model
from zoo.run import EVALUATION, FILES, load_arrays
from zoo.spec import Arrays

MAX_CLASSES = 20  # of a matrix that can be read
ROWS = 256  # of one call


def evaluate(artifact: Artifact, run: Path) -> dict[str, Any]:
    """Raises IntegrityError when the run's test split does not give the figure that the certificate holds."""
    arrays, model = load_arrays(run / EVALUATION), Model(artifact)
    metric = load_metric(artifact.manifest.training["metric"], model.codec)
    calls = _Calls(model)
    scores = drive(metric.score(arrays), calls.run)
    value = metric.reduce(scores)
    _compare(artifact, value, len(scores))
    found = {"metric": metric.name, "rows": len(scores), "value": value, **_interval(metric, scores)}
    return {**found, **_classes(artifact, arrays, calls.outputs)}


class _Calls:
    """Answers calls some hundred rows at a time and keeps the last outputs of each graph."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.outputs: dict[str, Arrays] = {}

    def run(self, graph: str, inputs: Arrays) -> Arrays:
        spec = self.model.manifest.graph(graph)
        self.outputs[graph] = in_parts(spec, inputs, ROWS, lambda part: self.model.run(graph, part))
        return self.outputs[graph]


def _compare(artifact: Artifact, value: float, rows: int) -> None:
    proven = artifact.certificate.metric
    if proven and (rows != proven["rows"] or not np.isclose(value, proven["found"], rtol=1e-5, atol=0)):
        raise IntegrityError(
            f"{artifact.manifest.model} scores {value:.6g} on {rows:,} rows, its certificate says {proven['found']:.6g} on "
            f"{proven['rows']:,}: the run folder is not the one that was published; name the right one."
        )


def _interval(metric: Metric, scores: np.ndarray) -> dict[str, Any]:
    if metric.is_mean and np.isin(scores, (0, 1)).all():
        low, high = wilson_interval(float(scores.mean()), len(scores))
        return {"low": low, "high": high, "interval": "Wilson"}
    low, high = bootstrap_interval(scores, metric.reduce)
    return {"low": low, "high": high, "interval": f"percentile bootstrap, {RESAMPLES:,} resamples of the rows"}


def _classes(artifact: Artifact, arrays: Mapping[str, np.ndarray], outputs: Mapping[str, Arrays]) -> dict[str, Any]:
    """Confusion matrix (rows: truth, columns: answer) and, of probabilities, the mean of the largest.

    Of classifiers that give each item one label only. Targets below 0 are not judged.
    """
    codec: Any = make_codec(artifact.manifest.task, artifact.manifest.codec, artifact.folder / FILES)
    labels = getattr(codec, "labels", ())
    kind = getattr(codec, "scores", "logits")
    if not 2 <= len(labels) <= MAX_CLASSES or not hasattr(codec, "output") or codec.graph not in outputs or kind == "flags":
        return {}
    targets = arrays["targets"].ravel()
    judged = targets >= 0
    scores = outputs[codec.graph][codec.output]
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(confusion, (targets[judged], scores[judged].argmax(axis=1)), 1)
    found = {"confusion": confusion.tolist()}
    if kind == "margins":
        return found
    probabilities = softmax(scores) if kind == "logits" else scores
    return {**found, "confidence": float(probabilities[judged].max(axis=1).mean())}
