"""LSTM over whole sequences of any length, its state handed in and out, as one operator in a graph.

`torch.nn.LSTM` keeps the length of the exporter's example where its states are an output, so the operator is named here.
PyTorch stacks the gates as input, forget, cell, output, ONNX as input, output, forget, cell.

Shape letters: B batch, T steps, I input features, H hidden features, G = 4H the rows of the gates.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class LSTM(nn.LSTM):
    """One layer, forward in time: (B, T, I) and a state, (B, H) twice, give (B, T, H) and the state after the last step."""

    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    def __init__(self, in_features: int, hidden: int) -> None:
        super().__init__(in_features, hidden, batch_first=True)

    def forward(self, x_BTI: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:  # type: ignore[override]
        if torch.onnx.is_in_onnx_export():
            return self._operator(x_BTI, *state)
        h_BH, c_BH = state
        states_BTH, (h_1BH, c_1BH) = super().forward(x_BTI, (h_BH[None], c_BH[None]))
        return states_BTH, (h_1BH[0], c_1BH[0])

    def advance(self, x_BI: Tensor, h_BH: Tensor, c_BH: Tensor) -> tuple[Tensor, Tensor]:
        """One step, written out for the body of a loop, where the operator of a sequence cannot be traced."""
        gates_BG = functional.linear(x_BI, self.weight_ih_l0, self.bias_ih_l0)
        gates_BG = gates_BG + functional.linear(h_BH, self.weight_hh_l0, self.bias_hh_l0)
        i, f, g, o = gates_BG.chunk(4, dim=1)
        c_BH = torch.sigmoid(f) * c_BH + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c_BH), c_BH

    def _operator(self, x_BTI: Tensor, h_BH: Tensor, c_BH: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """ONNX's operator in the exporter's trace; its layout is (T, 1, B, H)."""
        batch, steps = x_BTI.shape[:2]
        weights = (self.weight_ih_l0, self.weight_hh_l0)
        biases = (self.bias_ih_l0, self.bias_hh_l0)
        Y, Y_h, Y_c = torch.onnx.ops.symbolic_multi_out(
            "LSTM",
            (
                x_BTI.transpose(0, 1),
                *(_as_onnx(weight)[None] for weight in weights),
                torch.cat([_as_onnx(bias) for bias in biases])[None],
                None,
                h_BH[None],
                c_BH[None],
            ),
            {"hidden_size": self.hidden_size},
            dtypes=(x_BTI.dtype,) * 3,
            shapes=((steps, 1, batch, self.hidden_size), (1, batch, self.hidden_size), (1, batch, self.hidden_size)),
        )
        # reshaped last: ONNX Runtime dies of a transposition right before a product in float16
        return Y.permute(2, 0, 1, 3).reshape(batch, steps, self.hidden_size), (Y_h[0], Y_c[0])


def _as_onnx(gates_G: Tensor) -> Tensor:
    hidden = gates_G.shape[0] // 4
    i, f, g, o = (gates_G[place * hidden : (place + 1) * hidden] for place in range(4))
    return torch.cat([i, o, f, g])
