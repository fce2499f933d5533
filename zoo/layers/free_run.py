"""A series' forecasts fed back to the network that makes them, as a Loop.

Shape letters: B batch, S steps of the run.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from zoo.layers.loops import while_loop

Tensors = tuple[Tensor, ...]


def free_run(advance: Callable[..., Tensors], y_B1: Tensor, state: Tensors, innovation_BS: Tensor) -> Tensor:
    """The forecasts (B, S), each after what `innovation` adds to it, from the first one `y` and the state that it came from.

    `advance` takes a value (B, 1) and the state's tensors, and gives the next forecast and the next state.
    """
    places_S = torch.arange(innovation_BS.shape[1], device=y_B1.device)

    def unfinished(i: Tensor, *carried: Tensor) -> Tensor:
        return i < places_S.shape[0]

    def body(i: Tensor, run_BS: Tensor, y_B1: Tensor, *state: Tensor) -> Tensors:
        x_B1 = y_B1 + innovation_BS.index_select(1, i[None])
        return i + 1, torch.where(places_S == i, x_B1, run_BS), *advance(x_B1, *state)

    first = torch.zeros((), dtype=torch.int64, device=y_B1.device)
    return while_loop(unfinished, body, (first, torch.zeros_like(innovation_BS), y_B1, *state))[1]
