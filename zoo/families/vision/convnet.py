"""Small convolutional network: two blocks of a 3x3 convolution, ReLU and 2x2 max pooling, then a dense layer.

With the defaults it has 320 + 18,496 + 16,010 = 34,826 parameters. Source: Keras' "Simple MNIST convnet",
https://keras.io/examples/vision/mnist_convnet/; convolutional networks after LeCun et al. (1998),
https://doi.org/10.1109/5.726791. Dropout comes before the dense layer, in training only.

Shape letters: B batch, C channels, H height, W width, F flat features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    channels: int = 1
    size: int = 28  # pixels, height and width
    filters: tuple[int, int] = (32, 64)
    classes: int = 10
    dropout: float = 0.5  # probability of zeroing a flat feature


class ConvNet(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        first, second = config.filters
        self.block1 = nn.Sequential(nn.Conv2d(config.channels, first, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.block2 = nn.Sequential(nn.Conv2d(first, second, 3), nn.ReLU(), nn.MaxPool2d(2))
        side = ((config.size - 2) // 2 - 2) // 2
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(second * side * side, config.classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        features_BF = self.block2(self.block1(x_BCHW)).flatten(1)
        return self.head(self.dropout(features_BF))  # logits, (B, K)


def graphs(config: Config) -> tuple[Graph, ...]:
    shape = ("batch", config.channels, config.size, config.size)
    x = Port(name="x", dtype="float32", shape=shape, doc="pixel intensity", low=0, high=1)
    logits = Port(name="logits", dtype="float32", shape=("batch", config.classes), doc="log-odds, unnormalised", unit="nats")
    return (Graph(inputs=(x,), outputs=(logits,)),)


FAMILY = Family(
    task="image-classification",
    config=Config,
    build=ConvNet,
    graphs=graphs,
    tiny=Config(size=12, filters=(3, 4), classes=3),
    paper="https://doi.org/10.1109/5.726791",
)
