"""Mean over the classes of the area under the precision-recall curve, a detection being right from an overlap of 0.5 on.

The all-points form of the Pascal VOC challenge since 2010 (Everingham et al. 2010,
https://doi.org/10.1007/s11263-009-0275-4, sections 4.2 and 4.4): detections of a class over all pictures in the order of
their scores; one is right when the true box of its class and picture that it overlaps most with has an intersection over
union of at least 0.5 and was not found before. Precision at a recall is the largest at that recall or a higher one.

A row's statistics are, for each class, the number of its true boxes, then the scores of its detections (−inf where there
are no more) and 1 for each that is right.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = 1
ENOUGH = 0.5


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """Statistics (rows, classes, 1 + 2 detections) of the `detect/…` arrays against `targets`.

    `targets` (rows, boxes, 5) hold class, left, top, right and bottom, filled up with rows of class −1.
    """
    inputs = {name.removeprefix("detect/"): array for name, array in arrays.items() if name.startswith("detect/")}
    outputs = yield Call("detect", inputs)
    truths = arrays["targets"]
    classes = 1 + int(max(truths[..., 0].max(initial=0), outputs["labels"].max(initial=0)))
    found = [
        [_of_class(outputs, row, label, targets[targets[:, 0] == label, 1:]) for label in range(classes)]
        for row, targets in enumerate(truths)
    ]
    longest = max(len(scores) for row in found for _, scores, _ in row)
    statistics = np.zeros((len(truths), classes, 1 + 2 * longest))
    statistics[:, :, 1 : 1 + longest] = -np.inf
    for row, of_row in enumerate(found):
        for label, (count, scores, right) in enumerate(of_row):
            statistics[row, label, 0] = count
            statistics[row, label, 1 : 1 + len(scores)] = scores
            statistics[row, label, 1 + longest : 1 + longest + len(scores)] = right
    return statistics


def reduce(rows: np.ndarray) -> float:
    """The mean of the average precisions of the classes that have a true box; NaN where none has."""
    longest = rows.shape[2] // 2
    precisions = [
        average_precision(
            of_class[:, 1 : 1 + longest].ravel(), of_class[:, 1 + longest :].ravel(), int(of_class[:, 0].sum())
        )
        for of_class in np.moveaxis(rows, 1, 0)
        if of_class[:, 0].any()
    ]
    return float(np.mean(precisions)) if precisions else float("nan")


def average_precision(scores: np.ndarray, right: np.ndarray, truths: int) -> float:
    """Area under the curve of precision over recall, of detections that are right or not among `truths` true boxes.

    Detections of score −inf are none.
    """
    order = np.argsort(-scores[scores > -np.inf], kind="stable")
    hits = np.cumsum(right[scores > -np.inf][order])
    recall = np.concatenate([[0.0], hits / truths])
    precision = hits / np.arange(1, len(hits) + 1)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * highest))


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union (boxes, others) of boxes given by left, top, right and bottom."""
    shared = np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - np.maximum(boxes[:, None, :2], others[None, :, :2])
    both = np.clip(shared, 0, None).prod(axis=-1)
    areas, other_areas = (np.prod(each[:, 2:] - each[:, :2], axis=-1) for each in (boxes, others))
    union = areas[:, None] + other_areas[None] - both
    return np.divide(both, union, out=np.zeros_like(union), where=union > 0)


def _of_class(
    outputs: Mapping[str, np.ndarray], row: int, label: int, truths: np.ndarray
) -> tuple[int, np.ndarray, np.ndarray]:
    """True boxes of one class in one picture, scores of its detections in their order, and which of them are right."""
    chosen = (outputs["image"] == row) & (outputs["labels"] == label)
    order = np.argsort(-outputs["scores"][chosen], kind="stable")
    scores, boxes = outputs["scores"][chosen][order], outputs["boxes"][chosen][order].astype(np.float64)
    right = np.zeros(len(scores))
    if len(truths) and len(scores):
        shared = overlaps(boxes, truths.astype(np.float64))
        best = shared.argmax(axis=1)
        near = shared.max(axis=1) >= ENOUGH
        firsts = np.unique(best[near], return_index=True)[1]  # of those that find one true box, the best counts
        right[np.flatnonzero(near)[firsts]] = 1
    return len(truths), scores, right
