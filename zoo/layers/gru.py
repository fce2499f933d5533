"""Gated recurrent unit as its paper has it, which is not the one of `torch.nn.GRU`.

    z = σ(W_z x + U_z h + b_z)    r = σ(W_r x + U_r h + b_r)
    h̃ = tanh(W x + U (r ⊙ h) + b)                                h' = (1 − z) ⊙ h + z ⊙ h̃

Cho et al. (2014), https://arxiv.org/abs/1406.1078; Bahdanau et al. (2015), https://arxiv.org/abs/1409.0473, appendix A.1.
Two conventions differ from the libraries': z weights what is *new* (PyTorch and ONNX: what is kept), and r acts *before* the
product with U (PyTorch: after it, another function altogether). ONNX's operator computes this one with
`linear_before_reset = 0` and W_z, U_z and b_z negated, because 1 − σ(a) = σ(−a).

Shape letters: B batch, T steps, I input features, H hidden features, G = 3H the rows of z, r and h̃, D = 2 directions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def advance(gates_BG: Tensor, state_BH: Tensor, gated_2HH: Tensor, new_HH: Tensor) -> Tensor:
    """The next state, (…, H), of W x + b, the last state, U_z above U_r, and U; axes in front of B are several networks."""
    hidden = state_BH.shape[-1]
    both, candidate = gates_BG.split([2 * hidden, hidden], dim=-1)
    z, r = torch.sigmoid(both + state_BH @ gated_2HH.mT).chunk(2, dim=-1)
    new = torch.tanh(candidate + (r * state_BH) @ new_HH.mT)
    return (1 - z) * state_BH + z * new


class GRUCell(nn.Module):
    """One step of one network: (B, I) and (B, H) give (B, H)."""

    def __init__(self, in_features: int, hidden: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(3 * hidden, in_features))
        self.gated = nn.Parameter(torch.empty(2 * hidden, hidden))
        self.new = nn.Parameter(torch.empty(hidden, hidden))
        self.bias = nn.Parameter(torch.zeros(3 * hidden))
        _initialise(self.weight, self.gated, self.new)

    def forward(self, x_BI: Tensor, state_BH: Tensor) -> Tensor:
        return advance(functional.linear(x_BI, self.weight, self.bias), state_BH, self.gated, self.new)


class BidirectionalGRU(nn.Module):
    """Two networks, one for each direction of time: (B, T, I) gives (B, T, 2H), zeros from step `length` on.

    The second one starts at each row's last valid step, so padding cannot matter.
    """

    def __init__(self, in_features: int, hidden: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2, 3 * hidden, in_features))
        self.gated = nn.Parameter(torch.empty(2, 2 * hidden, hidden))
        self.new = nn.Parameter(torch.empty(2, hidden, hidden))
        self.bias = nn.Parameter(torch.zeros(2, 3 * hidden))
        _initialise(self.weight, self.gated, self.new)

    def forward(self, x_BTI: Tensor, length_B: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():
            return self._operator(x_BTI, length_B)
        batch, steps = x_BTI.shape[:2]
        order_B = torch.argsort(length_B, descending=True, stable=True)
        length_B = length_B[order_B]
        x_BTI = x_BTI[order_B]
        both_DBTI = torch.stack([x_BTI, turned(x_BTI, length_B)])
        gates_DBTG = torch.einsum("dbti,dgi->dbtg", both_DBTI, self.weight) + self.bias[:, None, None]
        state_DBH = gates_DBTG.new_zeros(2, batch, self.new.shape[-1])
        states = []
        for rows, gates_DBG in zip(rows_at(length_B, steps), gates_DBTG.unbind(2), strict=True):
            state_DBH = advance(gates_DBG[:, :rows], state_DBH[:, :rows], self.gated, self.new)
            states.append(functional.pad(state_DBH, (0, 0, 0, batch - rows)))
        states_DBTH = torch.stack(states, dim=2)
        both_BTH = torch.cat([states_DBTH[0], turned(states_DBTH[1], length_B)], dim=-1)
        return both_BTH[torch.argsort(order_B)]

    def _operator(self, x_BTI: Tensor, length_B: Tensor) -> Tensor:
        """ONNX's own operator, in the exporter's trace; its layout is (T, D, B, H)."""
        batch, steps = x_BTI.shape[:2]
        hidden = self.new.shape[-1]
        sign_G = torch.ones(3 * hidden, dtype=x_BTI.dtype)
        sign_G[:hidden] = -1
        recurrent_DGH = torch.cat([self.gated, self.new], dim=1)
        bias_D2G = torch.cat([self.bias * sign_G, torch.zeros_like(self.bias)], dim=1)
        states_TDBH = torch.onnx.ops.symbolic(
            "GRU",
            (
                x_BTI.transpose(0, 1),
                self.weight * sign_G[:, None],
                recurrent_DGH * sign_G[:, None],
                bias_D2G,
                length_B.to(torch.int32),
            ),
            {"hidden_size": hidden, "direction": "bidirectional", "linear_before_reset": 0},
            dtype=x_BTI.dtype,
            shape=(steps, 2, batch, hidden),
        )
        return states_TDBH.permute(2, 0, 1, 3).reshape(batch, steps, 2 * hidden)


def turned(x_BTF: Tensor, length_B: Tensor) -> Tensor:
    """The first `length` steps of each row in reverse order, zeros behind them."""
    source_BT = length_B[:, None] - 1 - torch.arange(x_BTF.shape[1], device=x_BTF.device)
    rows_B1 = torch.arange(len(x_BTF), device=x_BTF.device)[:, None]
    return x_BTF[rows_B1, source_BT.clamp(min=0)].masked_fill((source_BT < 0)[..., None], 0)


def rows_at(length_B: Tensor, steps: int) -> list[int]:
    """For each of `steps`, how many of the rows, sorted with the longest first, have that step."""
    counts: list[int] = (length_B[None] > torch.arange(steps, device=length_B.device)[:, None]).sum(dim=1).tolist()
    return counts


@torch.no_grad()
def _initialise(weight: Tensor, *recurrent: Tensor) -> None:
    """Xavier for the input's weights, orthogonal ones for the state's: gate by gate, network by network."""
    hidden = recurrent[0].shape[-1]
    for gate_HI in weight.view(-1, hidden, weight.shape[-1]):
        nn.init.xavier_uniform_(gate_HI)
    for stacked in recurrent:
        for gate_HH in stacked.view(-1, hidden, hidden):
            nn.init.orthogonal_(gate_HH)
