"""LeNet-5: Conv(6@5x5), pool, Conv(16@5x5), pool, FC(120), FC(84), softmax over the classes.

Paper: LeCun, Bottou, Bengio, Haffner (1998), https://doi.org/10.1109/5.726791. As in the paper the 28x28 digit is padded to
32x32 and the units are tanh; pooling averages without the paper's trainable scale and bias, the second convolution
sees all six maps, and the classes are logits where the paper has radial basis functions. 61,706 parameters.

Shape letters: B batch, C channels, H height, W width, F features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    channels: int = 1
    size: int = 28  # pixels, height and width
    filters: tuple[int, int] = (6, 16)
    hidden: tuple[int, int] = (120, 84)
    classes: int = 10


class LeNet5(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        first, second = config.filters
        self.features = nn.Sequential(
            nn.Conv2d(config.channels, first, 5, padding=2),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(first, second, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
        )
        side = (config.size // 2 - 4) // 2
        self.classifier = nn.Sequential(
            nn.Linear(second * side * side, config.hidden[0]),
            nn.Tanh(),
            nn.Linear(config.hidden[0], config.hidden[1]),
            nn.Tanh(),
            nn.Linear(config.hidden[1], config.classes),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.classifier(self.features(x_BCHW).flatten(1))  # logits, (B, K)

    def embed(self, x_BCHW: Tensor) -> Tensor:
        """What the last layer sees of a picture."""
        hidden = self.features(x_BCHW).flatten(1)
        for layer in list(self.classifier)[:-1]:
            hidden = layer(hidden)
        return hidden  # (B, F)


def graphs(config: Config) -> tuple[Graph, ...]:
    shape = ("batch", config.channels, config.size, config.size)
    x = Port(name="x", dtype="float32", shape=shape, doc="pixel intensity", low=0, high=1)
    logits = Port(name="logits", dtype="float32", shape=("batch", config.classes), doc="log-odds, unnormalised", unit="nats")
    features = Port(
        name="features", dtype="float32", shape=("batch", config.hidden[1]), doc="units before the classes", low=-1, high=1
    )
    return (
        Graph(inputs=(x,), outputs=(logits,)),
        Graph(name="features", methods=("embed",), inputs=(x,), outputs=(features,)),
    )


FAMILY = Family(
    task="image-classification",
    config=Config,
    build=LeNet5,
    graphs=graphs,
    tiny=Config(size=12, filters=(2, 3), hidden=(6, 5), classes=3),
    paper="https://doi.org/10.1109/5.726791",
)
