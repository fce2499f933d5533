"""Residual networks: blocks that add what they compute to what they were given, y = ReLU(x + F(x)).

Paper: He, Zhang, Ren, Sun (2016), https://arxiv.org/abs/1512.03385. The defaults are ResNet-20 for CIFAR-10 (section 4.2):
a 3x3 convolution, three stages of three basic blocks with 16, 32 and 64 channels, global average pooling and a dense
layer, with shortcuts of option A: where a stage begins, every second pixel is kept and the new channels are zero, so
shortcuts have no parameters. `NETWORKS` has the paper's other networks, those of ImageNet (table 1) with its option B,
projections where the shape changes. As there, the first 1x1 convolution of a bottleneck has the stride; the "v1.5" of
later libraries moves it to the 3x3 one, with as many parameters and 6 % more work.

Stochastic depth (Huang et al. 2016, https://arxiv.org/abs/1603.09382) is for training only: block l of L is kept with the
probability 1 − l/L (1 − survival), each picture drawing for itself, and then divided by it, so that the whole network
has the expected depth's output as it stands. (The paper draws once a batch, and multiplies when it predicts.)

Shape letters: B batch, C channels, H height, W width, F features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.spec import Family, Graph, Port

_EXPANSIONS = {"basic": 1, "bottleneck": 4}  # channels that a block gives for each of its `channels`
_STEMS = {"small": (3, 1, False), "large": (7, 2, True)}  # size, stride, whether a pooling follows


@dataclass(frozen=True, kw_only=True)
class Config:
    """`blocks` and `channels` have an entry a stage; a bottleneck block gives four times its `channels`."""

    blocks: tuple[int, ...] = (3, 3, 3)
    channels: tuple[int, ...] = (16, 32, 64)
    kind: str = "basic"  # of block; or bottleneck
    shortcut: str = "pad"  # the paper's option A, or project, its option B
    stem: str = "small"  # 3x3; or large, 7x7 with stride 2 and 3x3 max pooling with stride 2
    colours: int = 3
    size: int = 32  # pixels, height and width
    classes: int = 10
    survival: float = 1.0  # probability that the last block is kept; training only

    @property
    def features(self) -> int:
        return self.channels[-1] * _EXPANSIONS[self.kind]


def _cifar(depth: int) -> Config:
    """6n + 2 layers, n blocks a stage (section 4.2)."""
    return Config(blocks=((depth - 2) // 6,) * 3)


def _imagenet(kind: str, *blocks: int) -> Config:
    """A column of table 1."""
    return Config(
        blocks=blocks, channels=(64, 128, 256, 512), kind=kind, shortcut="project", stem="large", size=224, classes=1000
    )


NETWORKS: dict[str, Config] = {
    **{f"resnet{depth}-cifar": _cifar(depth) for depth in (20, 32, 44, 56, 110, 1202)},
    "resnet18": _imagenet("basic", 2, 2, 2, 2),
    "resnet34": _imagenet("basic", 3, 4, 6, 3),
    "resnet50": _imagenet("bottleneck", 3, 4, 6, 3),
    "resnet101": _imagenet("bottleneck", 3, 4, 23, 3),
    "resnet152": _imagenet("bottleneck", 3, 8, 36, 3),
}


class Pad(nn.Module):
    """Option A: every `stride`-th pixel, and `new` further channels of zeros behind."""

    def __init__(self, new: int, stride: int) -> None:
        super().__init__()
        self.new, self.stride = new, stride

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return functional.pad(x_BCHW[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))


class Residual(nn.Module):
    """ReLU(shortcut(x) + branch(x)); in training the branch is left out with the probability 1 − `survival`."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module, survival: float) -> None:
        super().__init__()
        self.branch, self.shortcut, self.survival = branch, shortcut, survival

    def forward(self, x_BCHW: Tensor) -> Tensor:
        residual_BCHW = self.branch(x_BCHW)
        if self.training and self.survival < 1:
            kept_B111 = torch.rand(len(x_BCHW), 1, 1, 1, device=x_BCHW.device) < self.survival
            residual_BCHW = residual_BCHW * kept_B111.to(residual_BCHW.dtype) / self.survival
        return torch.relu(self.shortcut(x_BCHW) + residual_BCHW)


class ResNet(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.channels[0]
        self.stem = _stem(config, width)
        blocks: list[nn.Module] = []
        count = sum(config.blocks)
        for stage, (number, channels) in enumerate(zip(config.blocks, config.channels, strict=True)):
            for place in range(number):
                survival = 1 - (len(blocks) + 1) / count * (1 - config.survival)
                stride = 2 if stage and not place else 1
                blocks.append(_block(config, width, channels, stride, survival))
                width = channels * _EXPANSIONS[config.kind]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(width, config.classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, x_BCHW: Tensor) -> Tensor:
        return self.blocks(self.stem(x_BCHW)).mean((2, 3))  # (B, F)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.head(self.features(x_BCHW))  # logits, (B, K)


def _stem(config: Config, width: int) -> nn.Module:
    size, stride, pool = _STEMS[config.stem]
    layers = [*_convolution(config.colours, width, size, stride), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(3, stride=2, padding=1)) if pool else nn.Sequential(*layers)


def _block(config: Config, width: int, channels: int, stride: int, survival: float) -> Residual:
    outputs = channels * _EXPANSIONS[config.kind]
    if config.kind == "basic":
        layers = [*_convolution(width, channels, 3, stride), nn.ReLU(), *_convolution(channels, channels, 3)]
    else:
        layers = [*_convolution(width, channels, 1, stride), nn.ReLU(), *_convolution(channels, channels, 3), nn.ReLU()]
        layers += _convolution(channels, outputs, 1)
    return Residual(nn.Sequential(*layers), _shortcut(config, width, outputs, stride), survival)


def _shortcut(config: Config, width: int, outputs: int, stride: int) -> nn.Module:
    if (width, stride) == (outputs, 1):
        return nn.Identity()
    if config.shortcut == "pad":
        return Pad(outputs - width, stride)
    return nn.Sequential(*_convolution(width, outputs, 1, stride))


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    """A convolution that keeps the size but for its stride, and the batch normalisation that has its bias."""
    convolution = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


def graphs(config: Config) -> tuple[Graph, ...]:
    shape = ("batch", config.colours, config.size, config.size)
    x = Port(name="x", dtype="float32", shape=shape, doc="pixel intensity, each colour normalised", low=-2.5, high=2.5)
    logits = Port(name="logits", dtype="float32", shape=("batch", config.classes), doc="log-odds, unnormalised", unit="nats")
    features = Port(name="features", dtype="float32", shape=("batch", config.features), doc="channel means", low=0)
    return (
        Graph(inputs=(x,), outputs=(logits,)),
        Graph(name="features", methods=("features",), inputs=(x,), outputs=(features,)),
    )


FAMILY = Family(
    task="image-classification",
    config=Config,
    build=ResNet,
    graphs=graphs,
    tiny=Config(blocks=(1, 2), channels=(4, 6), size=8, classes=3),
    paper="https://arxiv.org/abs/1512.03385",
)
