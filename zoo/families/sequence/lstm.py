"""LSTM classifier of whole series: the hidden state after the last valid step, then an affine map.

    f = σ(W_f[h, x] + b_f)    i = σ(W_i[h, x] + b_i)    c̃ = tanh(W_c[h, x] + b_c)    o = σ(W_o[h, x] + b_o)
    c_t = f ⊙ c_{t−1} + i ⊙ c̃                           h_t = o ⊙ tanh(c_t)

Papers: Hochreiter and Schmidhuber (1997), https://doi.org/10.1162/neco.1997.9.8.1735; forget gate by Gers et al. (2000),
https://doi.org/10.1162/089976600300015015. No peepholes. PyTorch keeps two biases a gate, which only add up.

Rows of a batch differ in length. The network runs forward in time only, so the state after step `length` cannot depend
on what comes later: the answer is the same beside any padding.

Shape letters: B batch, T steps, I input channels, H hidden features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.spec import Axis, Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    in_features: int = 12
    hidden: int = 96
    layers: int = 1
    classes: int = 9
    max_steps: int = 29
    dropout: float = 0.3  # probability of zeroing a feature of the last state


class LSTMClassifier(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.lstm = nn.LSTM(config.in_features, config.hidden, config.layers, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.hidden, config.classes)

    def forward(self, x_BTI: Tensor, length_B: Tensor) -> Tensor:
        states_BTH, _ = self.lstm(x_BTI)
        index_B1H = (length_B - 1)[:, None, None].expand(-1, 1, states_BTH.shape[-1])
        last_BH = torch.gather(states_BTH, 1, index_B1H).squeeze(1)
        return self.head(self.dropout(last_BH))  # logits, (B, K)


def graphs(config: Config) -> tuple[Graph, ...]:
    x = Port(
        name="x", dtype="float32", shape=("batch", "time", config.in_features), doc="standardised channels", low=-3, high=3
    )
    length = Port(
        name="length", dtype="int64", shape=("batch",), doc="valid steps", unit="steps", low=1, high=config.max_steps,
        role="length", axis="time",
    )  # fmt: skip
    logits = Port(name="logits", dtype="float32", shape=("batch", config.classes), doc="log-odds, unnormalised", unit="nats")
    time = Axis(name="time", high=config.max_steps, padded=True)
    return (Graph(inputs=(x, length), outputs=(logits,), axes=(time,)),)


FAMILY = Family(
    task="series-classification",
    config=Config,
    build=LSTMClassifier,
    graphs=graphs,
    tiny=Config(in_features=2, hidden=4, classes=3, max_steps=7),
    paper="https://doi.org/10.1162/neco.1997.9.8.1735",
)
