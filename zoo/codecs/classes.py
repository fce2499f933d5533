"""Class scores as an answer: label and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


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
