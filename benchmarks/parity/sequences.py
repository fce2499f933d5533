"""Networks on sequences. Shape letters: B batch, T steps, D features, I input channels, S steps that are attended to."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.parity.network import Network, heads, set_field
from zoo.spec import Axis, Graph, Port


class Encoder(nn.Module):
    """A transformer block that ignores what lies beyond each row's length; Vaswani et al. (2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(6, 16)
        self.norm1, self.norm2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.query, self.key, self.value, self.mix = (nn.Linear(16, 16) for _ in range(4))
        self.wide, self.narrow = nn.Linear(16, 24), nn.Linear(24, 16)
        self.head = nn.Linear(16, 3)
        self.masked, self.scale = True, 8**-0.5

    def forward(self, x_BTI: Tensor, length_B: Tensor) -> Tensor:
        x_BTD = self.read(x_BTI)
        valid_BT = torch.arange(x_BTI.shape[1])[None] < length_B[:, None]
        normed_BTD = self.norm1(x_BTD)
        query, key, value = (heads(layer(normed_BTD), 2) for layer in (self.query, self.key, self.value))
        scores_BHTS = query @ key.transpose(-1, -2) * self.scale
        if self.masked:
            scores_BHTS = scores_BHTS.masked_fill(~valid_BT[:, None, None], -1e9)
        x_BTD = x_BTD + self.mix((scores_BHTS.softmax(-1) @ value).transpose(1, 2).flatten(2))
        x_BTD = x_BTD + self.narrow(F.gelu(self.wide(self.norm2(x_BTD))))
        weight_BT1 = valid_BT[..., None].to(x_BTD.dtype)
        return self.head((x_BTD * weight_BT1).sum(1) / weight_BT1.sum(1))


class Causal(nn.Module):
    """Tokens that see themselves and earlier ones that the mask allows; Radford et al. (2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(40, 16), nn.Embedding(12, 16)
        self.norm, self.qkv, self.mix = nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 16)
        self.head = nn.Linear(16, 40)
        self.causal, self.masked = True, True

    def forward(self, token_BT: Tensor, mask_BT: Tensor) -> Tensor:
        place_T = torch.arange(token_BT.shape[1])
        x_BTD = self.token(token_BT) + self.place(place_T)
        query, key, value = (heads(part, 2) for part in self.qkv(self.norm(x_BTD)).chunk(3, dim=-1))
        allowed_BTS = (place_T[None] <= place_T[:, None])[None] if self.causal else torch.ones_like(mask_BT)[:, None]
        if self.masked:
            allowed_BTS = allowed_BTS & mask_BT[:, None]
        allowed_BTS = allowed_BTS | (place_T[None] == place_T[:, None])[None]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed_BTS[:, None])
        return self.head(x_BTD + self.mix(mixed.transpose(1, 2).flatten(2)))


class Recurrent(nn.Module):
    """Cho et al. (2014)."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(5, 12, batch_first=True), nn.Linear(12, 4)

    def forward(self, x_BTI: Tensor) -> Tensor:
        states_BTD, _ = self.gru(x_BTI)
        return self.head(states_BTD[:, -1])


class BothWays(nn.Module):
    """A bidirectional LSTM, averaged over the valid steps; Graves and Schmidhuber (2005)."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(4, 8, batch_first=True, bidirectional=True), nn.Linear(16, 3)
        self.masked = True

    def forward(self, x_BTI: Tensor, length_B: Tensor) -> Tensor:
        states_BTD, _ = self.lstm(x_BTI)
        if not self.masked:
            return self.head(states_BTD.mean(1))
        valid_BT1 = (torch.arange(x_BTI.shape[1])[None] < length_B[:, None])[..., None].to(x_BTI.dtype)
        return self.head((states_BTD * valid_BT1).sum(1) / valid_BT1.sum(1))


class Bag(nn.Module):
    """The mean of token vectors; Joulin et al. (2017). Token 0 is padding."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.hidden, self.head = nn.Embedding(60, 12), nn.Linear(12, 16), nn.Linear(16, 4)
        self.masked = True

    def forward(self, token_BT: Tensor) -> Tensor:
        weight_BT1 = (token_BT != 0)[..., None].to(self.token.weight.dtype)
        if not self.masked:
            weight_BT1 = torch.ones_like(weight_BT1)
        mean_BD = (self.token(token_BT) * weight_BT1).sum(1) / weight_BT1.sum(1).clamp(min=1)
        return self.head(F.relu(self.hidden(mean_BD)))


class Pieces(nn.Module):
    """Tokens of a vocabulary as large as word pieces have, through a recurrent layer; Mikolov et al. (2010)."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.gru, self.head = nn.Embedding(5000, 12), nn.GRU(12, 12, batch_first=True), nn.Linear(12, 3)

    def forward(self, token_BT: Tensor) -> Tensor:
        states_BTD, _ = self.gru(self.token(token_BT))
        return self.head(states_BTD.amax(1))


class Dilated(nn.Module):
    """Causal convolutions with growing dilation, an answer for each step; Bai et al. (2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(4 if step == 1 else 8, 8, 3, dilation=step) for step in (1, 2, 4))
        self.head = nn.Conv1d(8, 2, 1)
        self.both_sides = False

    def forward(self, x_BIT: Tensor) -> Tensor:
        for layer in self.layers:
            around = 2 * layer.dilation[0]
            x_BIT = F.relu(layer(F.pad(x_BIT, (around // 2, around // 2) if self.both_sides else (around, 0))))
        return self.head(x_BIT)


class Step(nn.Module):
    """One step of a gated cell: state in, state out."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.gates, self.fresh = nn.Embedding(30, 8), nn.Linear(18, 20), nn.Linear(18, 10)
        self.head = nn.Linear(10, 30)

    def forward(self, token_B: Tensor, state_BD: Tensor) -> tuple[Tensor, Tensor]:
        x_BI = self.token(token_B)
        update_BD, reset_BD = torch.sigmoid(self.gates(torch.cat([x_BI, state_BD], dim=-1))).chunk(2, dim=-1)
        fresh_BD = torch.tanh(self.fresh(torch.cat([x_BI, reset_BD * state_BD], dim=-1)))
        state_BD = update_BD * state_BD + (1 - update_BD) * fresh_BD
        return self.head(state_BD), state_BD


def _port(name: str, *shape: int | str, low: float | None = None, high: float | None = None) -> Port:
    return Port(name=name, dtype="float32", shape=("batch", *shape), low=low, high=high)


def _tokens(*shape: str, vocabulary: int) -> Port:
    return Port(name="token", dtype="int64", shape=("batch", *shape), low=0, high=vocabulary - 1)


def _length(high: int) -> Port:
    return Port(name="length", dtype="int64", shape=("batch",), role="length", axis="time", low=1, high=high)


def _timed(inputs: tuple[Port, ...], output: Port, high: int, *, padded: bool = False) -> Graph:
    """A graph with an axis of up to `high` steps."""
    return Graph(inputs=inputs, outputs=(output,), axes=(Axis(name="time", high=high, padded=padded),))


_MASK = Port(name="mask", dtype="bool", shape=("batch", "time"), role="mask")
_STATE = Port(name="state", dtype="float32", shape=("batch", 10), role="state", low=-1, high=1)
_NEXT = Port(name="new_state", dtype="float32", shape=("batch", 10), feeds="state")

_ENCODER = _timed((_port("x", "time", 6, low=-2, high=2), _length(12)), _port("logits", 3), 12, padded=True)
_CAUSAL = _timed((_tokens("time", vocabulary=40), _MASK), _port("logits", "time", 40), 12)
_RECURRENT = _timed((_port("x", "time", 5, low=-1, high=1),), _port("logits", 4), 15)
_BOTH_WAYS = _timed((_port("x", "time", 4, low=-2, high=2), _length(11)), _port("logits", 3), 11)
_BAG = _timed((_tokens("time", vocabulary=60),), _port("logits", 4), 20)
_PIECES = _timed((_tokens("time", vocabulary=5000),), _port("logits", 3), 24)
_DILATED = _timed((_port("x", 4, "time", low=-1, high=1),), _port("y", 2, "time"), 24)
_STEP = Graph(inputs=(_tokens(vocabulary=30), _STATE), outputs=(_port("logits", 30), _NEXT))

NO_MASK = {"mask dropped": set_field("masked", False)}

SEQUENCES = (
    Network("transformer-encoder", Encoder, _ENCODER, {**NO_MASK, "wrong scale": set_field("scale", 0.25)}),
    Network("causal-attention", Causal, _CAUSAL, {**NO_MASK, "causal mask dropped": set_field("causal", False)}),
    Network("gru", Recurrent, _RECURRENT),
    Network("bi-lstm", BothWays, _BOTH_WAYS, NO_MASK),
    Network("text-bag", Bag, _BAG, NO_MASK),
    Network("word-pieces", Pieces, _PIECES),
    Network("dilated-tcn", Dilated, _DILATED, {"padded on both sides": set_field("both_sides", True)}),
    Network("gated-step", Step, _STEP),
)
