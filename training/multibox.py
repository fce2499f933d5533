"""The loss of single-shot detectors: which default box answers for which true box, and how wrong its answer is.

Liu et al. (2016), https://arxiv.org/abs/1512.02325, section 2.2. `targets` (B, M, 5) hold the class and left, top, right and
bottom in shares of the picture of each true box, filled up with rows of class −1.

Shape letters: B batch, M true boxes, A default boxes, K classes without the background.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.recipe import Batch, Objective
from zoo.layers.non_max_suppression import overlap

ENOUGH = 0.5  # intersection over union from which on a default box answers for a true one
NEGATIVES = 3  # hardest default boxes of the background that count, for each that answers for a true box


def multibox_loss(
    encode: Callable[[Tensor, Tensor], Tensor], corners: Callable[[Tensor], Tensor], label_smoothing: float = 0
) -> Objective:
    """Smooth L1 of the corrections plus cross-entropy of the classes, both by the number of default boxes that answer.

    The model's `forward` gives corrections (B, A, 4) and logits (B, A, 1 + K), its buffer `defaults` the default boxes;
    `encode` turns boxes into corrections, `corners` default boxes into left, top, right and bottom.
    """

    def objective(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
        corrections_BA4, logits_BAK = (tensor.float() for tensor in model(batch["x"]))
        default_A4, targets_BM5 = model.defaults, batch["targets"]
        truth_BA = match(corners(default_A4), targets_BM5)
        answers_BA = truth_BA >= 0
        boxes_BA5 = torch.take_along_dim(targets_BM5, truth_BA.clamp(min=0)[..., None], dim=1)
        classes_BA = torch.where(answers_BA, boxes_BA5[..., 0].long() + 1, 0)
        wanted_BA4 = encode(default_A4, centred(boxes_BA5[..., 1:]))
        off = functional.smooth_l1_loss(corrections_BA4[answers_BA], wanted_BA4[answers_BA], reduction="sum")
        smoothing = label_smoothing if model.training else 0.0
        wrong_BA = functional.cross_entropy(
            logits_BAK.flatten(0, 1), classes_BA.flatten(), reduction="none", label_smoothing=smoothing
        ).view_as(classes_BA)
        counted_BA = answers_BA | hardest(wrong_BA, answers_BA)
        return (off + wrong_BA[counted_BA].sum()) / answers_BA.sum().clamp(min=1)

    return objective


def match(default_A4: Tensor, targets_BM5: Tensor) -> Tensor:
    """Number of the true box that each default box answers for, −1 where it is the background's: (B, A) int64.

    That with the largest intersection over union, if it is enough; besides, each true box has the default box that it
    overlaps most with.
    """
    exists_BM = targets_BM5[..., 0] >= 0
    overlap_BMA = overlap(targets_BM5[:, :, None, 1:], default_A4) * exists_BM[..., None]
    best_BA, truth_BA = overlap_BMA.max(dim=1)
    truth_BA = torch.where(best_BA >= ENOUGH, truth_BA, -1)
    own_BM = overlap_BMA.argmax(dim=2)
    for number in range(targets_BM5.shape[1]):
        own_B1, exists_B1 = own_BM[:, number, None], exists_BM[:, number, None]
        truth_BA = truth_BA.scatter(1, own_B1, torch.where(exists_B1, number, truth_BA.gather(1, own_B1)))
    return truth_BA


def hardest(wrong_BA: Tensor, answers_BA: Tensor) -> Tensor:
    """The default boxes of the background with the largest loss, `NEGATIVES` for each that answers for a true box."""
    counts_B1 = (NEGATIVES * answers_BA.sum(dim=1, keepdim=True)).clamp(min=1)
    order_BA = wrong_BA.detach().masked_fill(answers_BA, -torch.inf).argsort(dim=1, descending=True)
    rank_BA = order_BA.argsort(dim=1)
    return (rank_BA < counts_B1) & ~answers_BA


def centred(boxes: Tensor) -> Tensor:
    """Centre, width and height of boxes (…, 4) given by left, top, right and bottom."""
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-6)  # rows that only fill up have none
    return torch.cat([(boxes[..., :2] + boxes[..., 2:]) / 2, size], dim=-1)
