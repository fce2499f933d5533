"""Multi-layer perceptron: affine maps with a pointwise non-linearity between them.

Paper: Rumelhart, Hinton, Williams (1986), https://doi.org/10.1038/323533a0. ReLU where the paper has the logistic
function; inverted dropout after each hidden layer, in training only.

Shape letters: B batch, I input features, H hidden features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    in_features: int = 784
    hidden: tuple[int, ...] = (256, 128)
    classes: int = 10
    dropout: float = 0.2  # probability of zeroing a hidden unit


class MLP(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((config.in_features, *config.hidden), config.hidden, strict=False):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(config.dropout)]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear((config.in_features, *config.hidden)[-1], config.classes)

    def forward(self, x_BI: Tensor) -> Tensor:
        return self.head(self.trunk(x_BI))  # logits, (B, K)


def graphs(config: Config) -> tuple[Graph, ...]:
    x = Port(name="x", dtype="float32", shape=("batch", config.in_features), doc="pixel intensity", low=0, high=1)
    logits = Port(name="logits", dtype="float32", shape=("batch", config.classes), doc="log-odds, unnormalised", unit="nats")
    return (Graph(inputs=(x,), outputs=(logits,)),)


FAMILY = Family(
    task="image-classification",
    config=Config,
    build=MLP,
    graphs=graphs,
    tiny=Config(in_features=6, hidden=(5, 4), classes=3),
    paper="https://doi.org/10.1038/323533a0",
)
