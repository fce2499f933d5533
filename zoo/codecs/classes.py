"""Class scores as an answer: label and probabilities, or what else the scores are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import UsageError


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis, computed in float64 from logits less their largest."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def class_answers(probabilities: np.ndarray, labels: Sequence[str]) -> list[dict[str, Any]]:
    """One answer a row of (rows, classes) probabilities: the likeliest label, and every label's probability."""
    return [
        {"label": labels[int(row.argmax())], "probabilities": {name: float(p) for name, p in zip(labels, row, strict=True)}}
        for row in probabilities
    ]


def margin_answers(margins: np.ndarray, labels: Sequence[str]) -> list[dict[str, Any]]:
    """One answer a row of (rows, classes) margins, which are no probabilities: the label of the largest, and all of them."""
    return [
        {"label": labels[int(row.argmax())], "scores": {name: float(score) for name, score in zip(labels, row, strict=True)}}
        for row in margins
    ]


def flag_answers(flags: np.ndarray, labels: Sequence[str]) -> list[dict[str, Any]]:
    """One answer a row of (rows, labels) zeros and ones: the labels that hold, any number of them, and every flag."""
    return [
        {
            "labels": [name for name, flag in zip(labels, row, strict=True) if flag],
            "flags": {name: int(flag) for name, flag in zip(labels, row, strict=True)},
        }
        for row in flags
    ]


ANSWERS = {
    "logits": lambda logits, labels: class_answers(softmax(logits), labels),
    "probabilities": class_answers,
    "margins": margin_answers,
    "flags": flag_answers,
}


def check_scores(scores: str) -> None:
    """Raises UsageError for scores of no known kind."""
    if scores not in ANSWERS:
        raise UsageError(f"There are no scores {scores!r}; choose one of {', '.join(ANSWERS)}.")
