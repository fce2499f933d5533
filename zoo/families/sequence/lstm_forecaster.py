"""LSTM that forecasts a series: one value in, the next one out, and its own forecasts fed back for a free run.

    f = σ(W_f x + U_f h + b_f)    i = σ(W_i x + U_i h + b_i)    c̃ = tanh(W_c x + U_c h + b_c)    o = σ(W_o x + U_o h + b_o)
    c_t = f ⊙ c_{t−1} + i ⊙ c̃    h_t = o ⊙ tanh(c_t)    x̂_{t+1} = wᵀ h_t + β

Papers: Hochreiter and Schmidhuber (1997), https://doi.org/10.1162/neco.1997.9.8.1735; forget gate by Gers et al. (2000),
https://doi.org/10.1162/089976600300015015. No peepholes. Values come and go in the series' own unit; the network sees
(x − mean) / std.

`step` takes values one after another, its state through ports; `forecast` begins with a state of zeros, reads the history
and runs free: a Loop in which each forecast, and what `innovation` adds to it, is the next step's input. How long it runs
is the length of `innovation`, which is zeros for the forecast itself and noise for an ensemble around it.

Shape letters: B batch, T steps of history, S steps of the free run, H hidden features.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.layers.free_run import free_run
from zoo.layers.lstm import LSTM
from zoo.spec import Axis, Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    hidden: int = 100
    mean: float = 0.0  # of the series
    std: float = 1.0
    low: float = -3.0  # the range in which its values mean something
    high: float = 3.0
    max_steps: int = 200  # of history in one call
    max_horizon: int = 200  # steps of one free run


class LSTMForecaster(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.mean, self.std, self.hidden = config.mean, config.std, config.hidden
        self.lstm = LSTM(1, config.hidden)
        self.head = nn.Linear(config.hidden, 1)

    def step(self, x_BT: Tensor, h_BH: Tensor, c_BH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The forecast after each step, (B, T), and the state after the last."""
        states_BTH, (h_BH, c_BH) = self.lstm(self._scaled(x_BT)[..., None], (h_BH, c_BH))
        return self._forecast(states_BTH)[..., 0], h_BH, c_BH

    def forecast(self, x_BT: Tensor, innovation_BS: Tensor) -> Tensor:
        """The S steps after the history, (B, S)."""
        zeros_BH = x_BT.new_zeros(x_BT.shape[0], self.hidden)
        y_BT, h_BH, c_BH = self.step(x_BT, zeros_BH, zeros_BH)
        return free_run(self._advance, y_BT[:, -1:], (h_BH, c_BH), innovation_BS)

    def _advance(self, x_B1: Tensor, h_BH: Tensor, c_BH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h_BH, c_BH = self.lstm.advance(self._scaled(x_B1), h_BH, c_BH)
        return self._forecast(h_BH), h_BH, c_BH

    def _scaled(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def _forecast(self, states_H: Tensor) -> Tensor:
        return self.head(states_H) * self.std + self.mean


def graphs(config: Config) -> tuple[Graph, ...]:
    x = Port(
        name="x", dtype="float32", shape=("batch", "time"), doc="values of the series", low=config.low, high=config.high
    )
    state = ("batch", config.hidden)
    past_h = Port(name="past_h", dtype="float32", shape=state, doc="hidden state", low=-1, high=1, role="state")
    past_c = Port(name="past_c", dtype="float32", shape=state, doc="cell state", low=-1, high=1, role="state")
    next_x = Port(name="next_x", dtype="float32", shape=("batch", "time"), doc="forecast of the value after each step")
    h = Port(name="present_h", dtype="float32", shape=state, doc="hidden state after the last step", feeds="past_h")
    c = Port(name="present_c", dtype="float32", shape=state, doc="cell state after the last step", feeds="past_c")
    innovation = Port(
        name="innovation", dtype="float32", shape=("batch", "horizon"), role="noise",
        doc="added to each forecast before it is fed back; zeros for the forecast itself",
    )  # fmt: skip
    forecast = Port(name="forecast", dtype="float32", shape=("batch", "horizon"), doc="the values after the history")
    time = Axis(name="time", high=config.max_steps)
    values = Axis(name="time", high=config.max_steps, incremental=True)
    horizon = Axis(name="horizon", high=config.max_horizon, free_run=True)
    return (
        Graph(name="forecast", methods=("forecast",), inputs=(x, innovation), outputs=(forecast,), axes=(time, horizon)),
        Graph(name="step", methods=("step",), inputs=(x, past_h, past_c), outputs=(next_x, h, c), axes=(values,)),
    )


FAMILY = Family(
    task="series-forecasting",
    config=Config,
    build=LSTMForecaster,
    graphs=graphs,
    tiny=Config(hidden=4, max_steps=9, max_horizon=12),
    paper="https://doi.org/10.1162/neco.1997.9.8.1735",
)
