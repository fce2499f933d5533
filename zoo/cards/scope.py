"""Section of a card on what a model is for and where it ends, from its codec, ports, data and results."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from zoo.cards.intervals import wilson_interval
from zoo.cards.markdown import bullets
from zoo.codecs import Codec
from zoo.manifest import Manifest

MAX_LABELS = 20


def scope(manifest: Manifest, codec: Codec, evaluation: dict[str, Any] | None) -> str:
    return "For:\n\n" + bullets(_uses(manifest, codec)) + "\n\nLimits:\n\n" + bullets(_limits(manifest, codec, evaluation))


def _uses(manifest: Manifest, codec: Codec) -> list[str]:
    task = inspect.getdoc(sys.modules[type(codec).__module__]) or ""
    numbers = {name: value for name, value in vars(codec).items() if type(value) in (int, float)}
    settings = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in numbers.items())
    lines = [
        f"{manifest.task}: {task.split(chr(10) * 2)[0]}",
        f"Reads: {inspect.getdoc(codec.read)}" + (f" Settings: {settings}." if settings else ""),
    ]
    labels = manifest.codec.get("labels", [])
    if 0 < len(labels) <= MAX_LABELS:
        lines.append(f"Labels: {', '.join(labels)}.")
    return [" ".join(line.split()) for line in lines]


def _limits(manifest: Manifest, codec: Codec, evaluation: dict[str, Any] | None) -> list[str]:
    lines = [
        f"Fitted on {manifest.data['rows']['train']:,} rows of {manifest.data['name']} and measured on its test split only; "
        "how it does on data from elsewhere is not known."
        + (f" {manifest.data['note']}" if manifest.data.get("note") else "")
    ]
    labels = manifest.codec.get("labels")
    if labels and getattr(codec, "scores", "") != "flags":  # flags may all be off
        lines.append(
            f"It gives one of its {len(labels)} labels to whatever it is shown; there is no answer for anything else."
        )
    if evaluation and "confusion" in evaluation:
        lines += [_sureness(evaluation)] if "confidence" in evaluation else []
        lines.append(_weakest(manifest.codec["labels"], evaluation["confusion"]))
    lines += [
        f"The axis `{axis.name}` has {axis.low} to {axis.high} steps."
        for graph in manifest.graphs
        for axis in graph.axes
        if axis.high is not None
    ]
    return lines


def _sureness(evaluation: dict[str, Any]) -> str:
    return (
        f"Its probabilities were not calibrated: on the test split the largest is {evaluation['confidence']:.3f} on average "
        f"and {evaluation['value']:.3f} of the answers are right."
    )


def _weakest(labels: list[str], matrix: list[list[int]]) -> str:
    found = [(row[k] / sum(row), k) for k, row in enumerate(matrix) if sum(row)]
    share, weakest = min(found)
    rows = sum(matrix[weakest])
    low, high = wilson_interval(share, rows)
    return (
        f"Weakest label: `{labels[weakest]}`, {share:.3f} of its {rows:,} test rows are found (95 % interval {low:.3f} to "
        f"{high:.3f})."
    )
