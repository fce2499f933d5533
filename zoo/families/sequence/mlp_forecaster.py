"""Perceptron with one hidden layer that forecasts a series from its last values, and its own forecasts fed back.

    x̂_{k+1} = wᵀ tanh(V x_{k|k−p} + β) + b        x_{k|k−p} the last p = `lag` values

Lapedes and Farber (1987), "Nonlinear signal processing using neural networks", https://www.osti.gov/biblio/5470451; with the
output's bias b, so that a series need not be centred. Values come and go in the series' own unit; the network sees
(x − mean) / std.

`step` takes values one after another; its state is the window of the last `lag` scaled values, zeros (the mean) before the
first. Over many values it is a convolution of the series with the rows of V. `forecast` reads a history and runs free: a
Loop in which each forecast, and what `innovation` adds to it, is the window's next value. How long it runs is the length of
`innovation`, which is zeros for the forecast itself and noise for an ensemble around it.

Shape letters: B batch, T steps of history, S steps of the free run, L lag, H hidden features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.free_run import free_run
from zoo.spec import Axis, Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    lag: int = 100
    hidden: int = 50
    mean: float = 0.0  # of the series
    std: float = 1.0
    low: float = -3.0  # the range in which its values mean something
    high: float = 3.0
    max_steps: int = 200  # of history in one call
    max_horizon: int = 200  # steps of one free run


class Window(nn.Linear):
    """An affine map of every `in_features` successive values of a series: (B, X) gives (B, X − L + 1, H)."""

    def forward(self, series_BX: Tensor) -> Tensor:
        return functional.conv1d(series_BX[:, None], self.weight[:, None], self.bias).transpose(1, 2)


class MLPForecaster(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.mean, self.std, self.lag = config.mean, config.std, config.lag
        self.hidden = Window(config.lag, config.hidden)
        self.head = nn.Linear(config.hidden, 1)

    def step(self, x_BT: Tensor, window_BL: Tensor) -> tuple[Tensor, Tensor]:
        """The forecast after each step, (B, T), and the window after the last."""
        all_BX = torch.cat([window_BL, self._scaled(x_BT)], dim=1)  # X = L + T
        hidden_BTH = torch.tanh(self.hidden(all_BX[:, 1:]))
        return self._forecast(hidden_BTH)[..., 0], all_BX[:, -self.lag :]

    def forecast(self, x_BT: Tensor, innovation_BS: Tensor) -> Tensor:
        """The S steps after the history, (B, S)."""
        y_BT, window_BL = self.step(x_BT, x_BT.new_zeros(x_BT.shape[0], self.lag))
        return free_run(self._advance, y_BT[:, -1:], (window_BL,), innovation_BS)

    def _advance(self, x_B1: Tensor, window_BL: Tensor) -> tuple[Tensor, Tensor]:
        window_BL = torch.cat([window_BL[:, 1:], self._scaled(x_B1)], dim=1)
        return self._forecast(torch.tanh(self.hidden(window_BL)[:, 0])), window_BL

    def _scaled(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def _forecast(self, features_H: Tensor) -> Tensor:
        return self.head(features_H) * self.std + self.mean


def graphs(config: Config) -> tuple[Graph, ...]:
    x = Port(
        name="x", dtype="float32", shape=("batch", "time"), doc="values of the series", low=config.low, high=config.high
    )
    window = ("batch", config.lag)
    past = Port(
        name="past_window", dtype="float32", shape=window, doc="last values, (x − mean) / std", low=-2, high=3, role="state"
    )
    next_x = Port(name="next_x", dtype="float32", shape=("batch", "time"), doc="forecast of the value after each step")
    present = Port(
        name="present_window", dtype="float32", shape=window, doc="window after the last step", feeds="past_window"
    )
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
        Graph(name="step", methods=("step",), inputs=(x, past), outputs=(next_x, present), axes=(values,)),
    )


FAMILY = Family(
    task="series-forecasting",
    config=Config,
    build=MLPForecaster,
    graphs=graphs,
    tiny=Config(lag=4, hidden=3, max_steps=9, max_horizon=12),
    paper="https://www.osti.gov/biblio/5470451",
)
