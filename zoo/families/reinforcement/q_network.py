"""Q-network: the value of every action in what is observed, and the action of the largest.

    Q(x, a) = E[r + γ max_b Q(x', b)]        π(x) = argmax_a Q(x, a)

Paper: Mnih et al. (2015), https://doi.org/10.1038/nature14236, whose convolutions over a screen are affine maps with
rectifiers here: what is observed are a few numbers.

Shape letters: B batch, O numbers that are observed, A actions.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    observed: int = 4
    hidden: tuple[int, ...] = (64, 64)
    actions: int = 2
    reach: float = 3.0  # largest size of what is usually observed


class QNetwork(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((config.observed, *config.hidden), config.hidden, strict=False):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.values = nn.Sequential(*layers, nn.Linear((config.observed, *config.hidden)[-1], config.actions))

    def act(self, x_BO: Tensor) -> tuple[Tensor, Tensor]:
        values_BA = self.values(x_BO)
        return values_BA, values_BA.argmax(dim=-1)


def graphs(config: Config) -> tuple[Graph, ...]:
    reach, worth = config.reach, "discounted sum of the rewards that follow each action"
    x = Port(name="x", dtype="float32", shape=("batch", config.observed), doc="what is observed", low=-reach, high=reach)
    values = Port(name="values", dtype="float32", shape=("batch", config.actions), doc=worth)
    action = Port(
        name="action", dtype="int64", shape=("batch",), doc="number of the action of the largest value", low=0,
        high=config.actions - 1, argmax_of="values",
    )  # fmt: skip
    return (Graph(name="act", methods=("act",), inputs=(x,), outputs=(values, action)),)


FAMILY = Family(
    task="control",
    config=Config,
    build=QNetwork,
    graphs=graphs,
    tiny=Config(observed=3, hidden=(5, 4), actions=3),
    paper="https://doi.org/10.1038/nature14236",
)
