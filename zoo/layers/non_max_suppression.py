"""Non-maximum suppression as ONNX defines it: of boxes that overlap, the one with the largest score is kept.

https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html. Of the boxes of one picture and one class whose score is above
`score_threshold`, the best is taken and every box whose intersection over union with it is above `iou_threshold` is
dropped, until none is left or `max_boxes` are taken. Of equal scores the first box is better, as in ONNX Runtime.

Shape letters: B batch, N boxes, C classes, D boxes that are kept.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

GONE = -torch.inf  # score of a box that is taken or dropped


def non_max_suppression(
    boxes_BN4: Tensor, scores_BCN: Tensor, *, max_boxes: int, iou_threshold: float, score_threshold: float
) -> Tensor:
    """Picture, class and box number of each box that is kept, (D, 3) int64: by picture, then class, the best first.

    `boxes_BN4` holds two opposite corners. Computed in the precision of the inputs; ONNX has it in float32 only.
    """
    if torch.onnx.is_in_onnx_export():
        return _as_operator(boxes_BN4, scores_BCN, max_boxes, iou_threshold, score_threshold)
    left_BCN = torch.where(scores_BCN > score_threshold, scores_BCN, GONE)
    taken = []
    for _ in range(max_boxes):
        score_BC, best_BC = left_BCN.max(dim=-1)
        if not bool((score_BC > GONE).any()):
            break
        taken.append(torch.where(score_BC > GONE, best_BC, -1))
        best_BC4 = torch.take_along_dim(boxes_BN4, best_BC[..., None], dim=1)
        dropped_BCN = overlap(best_BC4[:, :, None], boxes_BN4[:, None]) > iou_threshold
        left_BCN = left_BCN.masked_fill(dropped_BCN, GONE).scatter(-1, best_BC[..., None], GONE)
    if not taken:
        return torch.zeros(0, 3, dtype=torch.int64, device=boxes_BN4.device)
    taken_BCK = torch.stack(taken, dim=-1)
    picture_D, class_D, place_D = torch.nonzero(taken_BCK >= 0, as_tuple=True)
    return torch.stack([picture_D, class_D, taken_BCK[picture_D, class_D, place_D]], dim=1)


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes (…, 4) given by two opposite corners, broadcast; 0 where a box has no area."""
    low1, high1 = torch.minimum(first[..., :2], first[..., 2:]), torch.maximum(first[..., :2], first[..., 2:])
    low2, high2 = torch.minimum(second[..., :2], second[..., 2:]), torch.maximum(second[..., :2], second[..., 2:])
    shared = (torch.minimum(high1, high2) - torch.maximum(low1, low2)).clamp(min=0).prod(-1)
    area1, area2 = (high1 - low1).prod(-1), (high2 - low2).prod(-1)
    return torch.where((area1 > 0) & (area2 > 0), shared / (area1 + area2 - shared), 0.0)


def _as_operator(boxes_BN4: Tensor, scores_BCN: Tensor, max_boxes: int, iou: float, score: float) -> Tensor:
    """The operator itself, in the exporter's trace: how many boxes it keeps is a size that only the data tells."""
    # Any number that the tracer does not know: it is not computed in the file.
    kept = cast(int, (scores_BCN > score).sum().item())
    torch._check(kept >= 0)
    limits = (
        torch.tensor([max_boxes]),
        torch.tensor([iou], dtype=torch.float32),
        torch.tensor([score], dtype=torch.float32),
    )
    return torch.onnx.ops.symbolic("NonMaxSuppression", (boxes_BN4, scores_BCN, *limits), dtype=torch.int64, shape=(kept, 3))
