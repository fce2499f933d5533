"""Non-maximum suppression as ONNX defines it: of boxes that overlap, the one with the largest score is kept.

https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html. Of the boxes of one picture and one class whose score is above
`score_threshold`, the best is taken and every box whose intersection over union with it is above `iou_threshold` is
dropped, until none is left or `max_boxes` are taken. Of equal scores the first box is better, as in ONNX Runtime.

Shape letters: B batch, N boxes, C classes, D boxes that are kept,
M boxes above the threshold.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor


def non_max_suppression(
    boxes_BN4: Tensor, scores_BCN: Tensor, *, max_boxes: int, iou_threshold: float, score_threshold: float
) -> Tensor:
    """Picture, class and box number of each box that is kept, (D, 3) int64: by picture, then class, the best first.

    `boxes_BN4` holds two opposite corners. Computed in the precision of the inputs; ONNX has it in float32 only.
    """
    if torch.onnx.is_in_onnx_export():
        return _as_operator(boxes_BN4, scores_BCN, max_boxes, iou_threshold, score_threshold)
    order_BCM = _above(scores_BCN, score_threshold)
    boxes_BCM4 = torch.take_along_dim(boxes_BN4[:, None], order_BCM[..., None], dim=2)
    left_BCM = torch.take_along_dim(scores_BCN, order_BCM, dim=-1) > score_threshold
    taken = []
    for _ in range(max_boxes):
        if not bool(left_BCM.any()):
            break
        best_BC1 = left_BCM.to(torch.uint8).argmax(dim=-1, keepdim=True)  # the first that is left
        some_BC1 = left_BCM.any(dim=-1, keepdim=True)
        taken.append(torch.where(some_BC1, order_BCM.gather(-1, best_BC1), -1)[..., 0])
        best_BC14 = torch.take_along_dim(boxes_BCM4, best_BC1[..., None], dim=2)
        left_BCM = (left_BCM & ~(overlap(best_BC14, boxes_BCM4) > iou_threshold)).scatter(-1, best_BC1, False)
    if not taken:
        return torch.zeros(0, 3, dtype=torch.int64, device=boxes_BN4.device)
    taken_BCK = torch.stack(taken, dim=-1)
    picture_D, class_D, place_D = torch.nonzero(taken_BCK >= 0, as_tuple=True)
    return torch.stack([picture_D, class_D, taken_BCK[picture_D, class_D, place_D]], dim=1)


def _above(scores_BCN: Tensor, score_threshold: float) -> Tensor:
    """Numbers (B, C, M) of the boxes by falling score, M as many as are above the threshold in one picture and class."""
    most = int((scores_BCN > score_threshold).sum(dim=-1).max()) if scores_BCN.numel() else 0
    return scores_BCN.sort(dim=-1, descending=True, stable=True).indices[..., :most]


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
