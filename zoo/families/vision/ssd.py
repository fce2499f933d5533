"""Single-shot detector: one convolutional network gives a class and a corrected box for each of many default boxes.

Paper: Liu et al. (2016), https://arxiv.org/abs/1512.02325. Every place of each of the last feature maps has four default
boxes: of the map's size s_k with aspect ratios 1, 2 and 1/2, and a square of √(s_k s_{k+1}). A default box (cx, cy, w, h)
and the four numbers t that the network gives for it are the box

    cx + 0.1 t_x w    cy + 0.1 t_y h    w exp(0.2 t_w)    h exp(0.2 t_h)

Classes are by a softmax with the background as class 0. In place of VGG-16 stands a small backbone: a stem and four
stages of two 3x3 convolutions with batch normalisation, each stage at half the size of the last. Boxes are clipped to
the picture. They are ranked by their log-odds, log p − log(1 − p), and not by p as in the paper: the order is the same,
but probabilities near 1 become equal in float32, and then rounding decides which box is dropped.

Shape letters: B batch, A default boxes, C channels, H height, W width, K classes without the background, D detections.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.layers.non_max_suppression import non_max_suppression
from zoo.spec import Family, Graph, Port

RATIOS = (1.0, 2.0, 0.5)  # width by height
BOXES = len(RATIOS) + 1  # of each place
CENTRE, SIZE = 0.1, 0.2  # units of the corrections; "variances" in the paper's code
MAPS = 3  # the last stages have heads


@dataclass(frozen=True, kw_only=True)
class Config:
    channels: int = 3
    height: int = 240  # pixels
    width: int = 320
    filters: tuple[int, ...] = (16, 32, 64, 96, 128)  # of the stem and the stages
    sizes: tuple[float, ...] = (18, 44, 96, 176)  # pixels of the default boxes of each map, and one more
    classes: int = 3  # without the background
    max_boxes: int = 50  # a picture and class
    iou_threshold: float = 0.45  # above it the lesser of two boxes is dropped
    score_threshold: float = 0.05


class SSD(nn.Module):
    defaults: Tensor  # (A, 4)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        stem, *stages = config.filters
        self.stem = _convolution(config.channels, stem, stride=2)
        self.stages = nn.ModuleList(
            nn.Sequential(_convolution(before, after, stride=2), _convolution(after, after))
            for before, after in itertools.pairwise(config.filters)
        )
        self.heads = nn.ModuleList(
            nn.Conv2d(width, BOXES * (4 + 1 + config.classes), 3, padding=1) for width in stages[-MAPS:]
        )
        self.register_buffer("defaults", default_boxes(config), persistent=False)

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Corrections (B, A, 4) of the default boxes and logits (B, A, 1 + K) of their classes."""
        features, maps = self.stem(x_BCHW), []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        found = [
            head(features).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, 5 + self.config.classes))
            for head, features in zip(self.heads, maps[-MAPS:], strict=True)
        ]
        joined = torch.cat(found, dim=1)
        return joined[..., :4], joined[..., 4:]

    def detect(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Boxes (D, 4), scores, labels and pictures (D,) of what is left after non-maximum suppression."""
        corrections_BA4, logits_BAK = self(x_BCHW)
        boxes_BA4 = corners(decode(self.defaults, corrections_BA4)).clamp(0, 1)
        log_odds_BKA = log_odds(logits_BAK).transpose(1, 2)
        picture_D, label_D, box_D = non_max_suppression(
            boxes_BA4,
            log_odds_BKA,
            max_boxes=self.config.max_boxes,
            iou_threshold=self.config.iou_threshold,
            score_threshold=math.log(self.config.score_threshold / (1 - self.config.score_threshold)),
        ).unbind(1)
        scores_D = torch.sigmoid(log_odds_BKA[picture_D, label_D, box_D])
        return boxes_BA4[picture_D, box_D], scores_D, label_D, picture_D


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


def default_boxes(config: Config) -> Tensor:
    """Centre, width and height (A, 4) in shares of the picture, in the order of maps, rows, columns and shapes."""
    height, width = math.ceil(config.height / 2), math.ceil(config.width / 2)
    maps = []
    for _ in config.filters[1:]:
        height, width = math.ceil(height / 2), math.ceil(width / 2)
        maps.append((height, width))
    boxes = [
        ((column + 0.5) / columns, (row + 0.5) / rows, w / config.width, h / config.height)
        for (rows, columns), size, larger in zip(maps[-MAPS:], config.sizes[:-1], config.sizes[1:], strict=True)
        for row, column in itertools.product(range(rows), range(columns))
        for w, h in _shapes(size, larger)
    ]
    return torch.tensor(boxes)


def _shapes(size: float, larger: float) -> list[tuple[float, float]]:
    """Widths and heights in pixels of the default boxes of one place."""
    between = math.sqrt(size * larger)
    return [(size * math.sqrt(ratio), size / math.sqrt(ratio)) for ratio in RATIOS] + [(between, between)]


def decode(default_A4: Tensor, corrections_BA4: Tensor) -> Tensor:
    """Default boxes with their corrections: centre, width and height."""
    centre = default_A4[:, :2] + CENTRE * corrections_BA4[..., :2] * default_A4[:, 2:]
    return torch.cat([centre, default_A4[:, 2:] * torch.exp(SIZE * corrections_BA4[..., 2:])], dim=-1)


def encode(default_A4: Tensor, boxes_BA4: Tensor) -> Tensor:
    """The inverse of `decode`: the corrections that turn default boxes into these."""
    centre = (boxes_BA4[..., :2] - default_A4[:, :2]) / default_A4[:, 2:] / CENTRE
    return torch.cat([centre, torch.log(boxes_BA4[..., 2:] / default_A4[:, 2:]) / SIZE], dim=-1)


def corners(boxes: Tensor) -> Tensor:
    """Left, top, right and bottom of boxes (…, 4) given by centre, width and height."""
    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], dim=-1)


def log_odds(logits: Tensor) -> Tensor:
    """log p − log(1 − p) of every class but the background, (…, K)."""
    others = [
        torch.logsumexp(torch.cat([logits[..., :k], logits[..., k + 1 :]], dim=-1), dim=-1)
        for k in range(1, logits.shape[-1])
    ]
    return logits[..., 1:] - torch.stack(others, dim=-1)


def graphs(config: Config) -> tuple[Graph, ...]:
    shape = ("batch", config.channels, config.height, config.width)
    x = Port(name="x", dtype="float32", shape=shape, doc="pixel intensity", low=0, high=1)
    boxes = Port(
        name="boxes", dtype="float32", shape=("detections", 4), doc="left, top, right, bottom in shares of width and height",
        low=0, high=1,
    )  # fmt: skip
    scores = Port(name="scores", dtype="float32", shape=("detections",), doc="probability of the label", low=0, high=1)
    labels = Port(
        name="labels", dtype="int64", shape=("detections",), doc="class, by which and by score they are sorted",
        low=0, high=config.classes - 1,
    )  # fmt: skip
    image = Port(
        name="image", dtype="int64", shape=("detections",), doc="row of the batch that it was found in", role="index",
        axis="batch",
    )  # fmt: skip
    return (Graph(name="detect", methods=("detect",), inputs=(x,), outputs=(boxes, scores, labels, image)),)


FAMILY = Family(
    task="object-detection",
    config=Config,
    build=SSD,
    graphs=graphs,
    tiny=Config(height=24, width=32, filters=(4, 4, 4, 4, 4), sizes=(4, 8, 14, 24), classes=2, max_boxes=8),
    paper="https://arxiv.org/abs/1512.02325",
)
