"""Sections of a card on how good a model is: figures beside published ones, what is confused with what."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from zoo.cards.intervals import wilson_interval
from zoo.cards.markdown import bullets, table
from zoo.manifest import Manifest
from zoo.metrics import metric_names

NUM_CONFUSIONS = 5

Evaluation = dict[str, Any] | None


def headline(manifest: Manifest, evaluation: Evaluation) -> str:
    metric, rows = manifest.training["metric"], manifest.data["rows"]["test"]
    low, high, _ = interval(manifest, evaluation)
    between = f" (95 % interval {low:.4f} to {high:.4f})" if low is not None else ""
    value, data = manifest.metrics[metric], manifest.data["name"]
    return f"**{metric} {value:.4f}**{between} on the {rows:,} rows of the test split of {data}"


def interval(manifest: Manifest, evaluation: Evaluation) -> tuple[float | None, float | None, str]:
    """Ends of the metric's interval on the test split and how it was taken; None where rows were not kept."""
    if evaluation:
        return evaluation["low"], evaluation["high"], evaluation["interval"]
    metric = manifest.training["metric"]
    if metric != "accuracy":
        return None, None, ""
    return *wilson_interval(manifest.metrics[metric], manifest.data["rows"]["test"]), "Wilson"


def results(manifest: Manifest, evaluation: Evaluation) -> str:
    """The metric on every split and seed, and what its name means."""
    training, rows = manifest.training, manifest.data["rows"]
    metric = training["metric"]
    low, high, how = interval(manifest, evaluation)
    between = f"{low:.4f} to {high:.4f}" if low is not None else ""
    lines = [
        (
            "test split",
            f"{manifest.metrics[metric]:.4f}",
            between,
            f"{rows['test']:,} rows, scored once; {how}".rstrip("; "),
        ),
        ("validation split", f"{training['validation'][metric]:.4f}", "", f"{rows['validation']:,} rows"),
        *_seeds(training, metric),
        _published(manifest, metric),
    ]
    return table(("", metric, "95 % interval", ""), lines) + _meaning(metric)


def _seeds(training: dict[str, Any], metric: str) -> list[tuple[str, str, str, str]]:
    if len(training["seeds"]) < 2:
        return []
    scores = [seed["test"][metric] for seed in training["seeds"]]
    names = ", ".join(str(seed["seed"]) for seed in training["seeds"])
    mean, spread = sum(scores) / len(scores), max(scores) - min(scores)
    remark = f"mean {mean:.4f}, spread {spread:.4f}; published: seed {training['seed']}, the best on the validation split"
    return [(f"seeds {names}", ", ".join(f"{score:.4f}" for score in scores), "", remark)]


def _published(manifest: Manifest, metric: str) -> tuple[str, str, str, str]:
    if metric not in manifest.reference:
        return ("published figure", "none", "", "the recipe names none for this network and data")
    return ("published figure", f"{manifest.reference[metric]:.4f}", "", manifest.reference.get("what", ""))


def _meaning(metric: str) -> str:
    if metric not in metric_names():
        return ""
    first = (import_module(f"zoo.metrics.{metric}").__doc__ or "").split("\n\n")[0]
    return f"\n\n{metric}: {first[:1].lower()}{first[1:]}" if first else ""


def confusion(labels: list[str], evaluation: Evaluation) -> str:
    """The confusion matrix with the share of each label that is found, and the commonest mistakes."""
    matrix = (evaluation or {}).get("confusion")
    if not matrix:
        return ""
    rows = [
        (f"**{label}**", *(count or "·" for count in row), f"{row[k] / sum(row):.3f}" if sum(row) else "")
        for k, (label, row) in enumerate(zip(labels, matrix, strict=True))
    ]
    mistakes = bullets(f"`{truth}` taken for `{answer}`: {count:,}" for count, truth, answer in _mistakes(labels, matrix))
    text = "### Confusion matrix\n\nRows are the truth, columns the answers.\n\n"
    text += table(("", *labels, "found"), rows)
    return text + (f"\n\nCommonest mistakes:\n\n{mistakes}" if mistakes else "")


def _mistakes(labels: list[str], matrix: list[list[int]]) -> list[tuple[int, str, str]]:
    pairs = [
        (count, labels[i], labels[j]) for i, row in enumerate(matrix) for j, count in enumerate(row) if i != j and count
    ]
    return sorted(pairs, key=lambda pair: -pair[0])[:NUM_CONFUSIONS]
