"""GPT: a decoder-only transformer that predicts the next token, one causal block after another.

    X = E(x) + P        A = softmax(Q Kᵀ / √d_head + M)        x ← x + A V W_O        x ← x + W_2 gelu(W_1 x)

Paper: Radford et al. (2019), "Language models are unsupervised multitask learners" (GPT-2), after Vaswani et al. (2017),
https://arxiv.org/abs/1706.03762. From GPT-2: layer norms before attention and perceptron and after the last block, the
output projection tied to the embedding, gelu by its tanh formula, weights from N(0, 0.02²), those that write into the
residual stream divided by √(2 · layers). Seed 003 writes √d with d the model's width and stops before V and W_O (lines
1139-1145): d is the width of a head, and A is multiplied by V and W_O (of which its table of parameters has both).

Positions: `learned` (GPT-2), `sinusoidal` (Vaswani et al., section 3.5) or `rotary` (Su et al. 2021,
https://arxiv.org/abs/2104.09864: queries and keys are turned by their position). `kv_heads` below `heads` shares keys and
values between heads (Ainslie et al. 2023, https://arxiv.org/abs/2305.13245; one is Shazeer's multi-query attention,
https://arxiv.org/abs/1911.02150): the cache shrinks by as much.

`step` continues any number of rows at once. A row's cache has `context` slots, of which the first `past_length` are taken,
oldest first; a slot holds what one token leaves behind in every layer, its keys before they are turned. A token attends
to itself and the `context` − 1 tokens before it. What no longer fits is dropped from the front, so that with rotary
positions, where only distances count, a text may go on for ever; tokens past `context` have the last learned or
sinusoidal position. Free slots are zero, and padding beyond `length` leaves no trace: equal texts give equal states.

Shape letters: B batch, T new tokens, C slots (context), S tokens that may be seen (C + T), L layers, G heads of keys and
values, R heads that share one of those, N numbers a head, D = G · R · N width, E = G · N, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.cache import causal, keep, mask, survivors, visible
from zoo.layers.positions import Rotation, turns, waves
from zoo.spec import Axis, Family, Graph, Port

POSITIONS = ("learned", "sinusoidal", "rotary")


@dataclass(frozen=True, kw_only=True)
class Config:
    vocabulary: int = 65
    context: int = 256  # tokens that one token sees, itself included: the slots of the cache
    layers: int = 5
    width: int = 128
    heads: int = 4
    kv_heads: int = 1
    mlp_width: int = 448
    positions: str = "rotary"  # learned, sinusoidal, rotary
    longest_step: int = 12  # tokens of one call, at most; a longer prompt takes several
    dropout: float = 0.1  # of the embedding and of what each block adds; training only

    def __post_init__(self) -> None:
        if self.positions not in POSITIONS:
            raise ValueError(f"positions is {self.positions!r}; choose one of {', '.join(POSITIONS)}")
        if self.width % self.heads or self.heads % self.kv_heads or self.head_width % 2:
            raise ValueError(f"width {self.width}, heads {self.heads} and kv_heads {self.kv_heads} do not divide evenly")

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_width


@dataclass(frozen=True)
class Past:
    """What one layer kept of earlier tokens, (B, C, G, N) each, the keys turned by their slots."""

    keys: Tensor
    values: Tensor


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.project = nn.Linear(config.width, config.width + 2 * config.kv_width)  # W_Q, W_K and W_V of group after group
        self.out = nn.Linear(config.width, config.width)

    def forward(
        self, x_BTD: Tensor, mask_BTS: Tensor, rotation: Rotation | None, past: Past | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What attention adds, (B, T, D), and the new tokens' keys, not turned, and values, (B, T, E)."""
        groups, head = self.config.kv_heads, self.config.head_width
        all_BTGPN = self.project(x_BTD).unflatten(-1, (groups, -1, head))  # P = R + 2
        qk_BTGPN, k_BTGN, v_BTGN = all_BTGPN[:, :, :, :-1], all_BTGPN[:, :, :, -2], all_BTGPN[:, :, :, -1]
        turned_BTGPN = qk_BTGPN if rotation is None else rotation.turn(qk_BTGPN)
        keys, values = [turned_BTGPN[:, :, :, -1]], [v_BTGN]
        if past is not None:
            keys, values = [past.keys, *keys], [past.values, *values]
        mixed_BTD = attend(turned_BTGPN[:, :, :, :-1], keys, values, mask_BTS)
        return self.out(mixed_BTD), k_BTGN.flatten(2), v_BTGN.flatten(2)


def attend(q_BTGRN: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], mask_BTS: Tensor) -> Tensor:
    """softmax(Q Kᵀ / √N + M) V of every head, side by side (B, T, D). M is 0 where a token sees another, −∞ elsewhere.

    `keys` and `values` are parts (B, ·, G, N) that lie end to end along S, and are not copied for that; nor are they for
    the R heads that share them, which are rows of one product. Every token must see at least one.
    """
    time, share = q_BTGRN.shape[1], q_BTGRN.shape[3]
    q_BGQN = q_BTGRN.transpose(1, 2).flatten(2, 3) / math.sqrt(q_BTGRN.shape[-1])  # Q: T times R
    scores_BGQS = torch.cat([q_BGQN @ part.transpose(1, 2).transpose(2, 3) for part in keys], dim=-1)
    scores_BGTRS = scores_BGQS.unflatten(2, (time, share)) + mask_BTS[:, None, :, None].to(scores_BGQS)
    weights_BGQS = scores_BGTRS.softmax(dim=-1).flatten(2, 3).split([part.shape[1] for part in values], dim=-1)
    mixed = [weights @ part.transpose(1, 2) for weights, part in zip(weights_BGQS, values, strict=True)]
    return reduce(torch.add, mixed).unflatten(2, (time, share)).transpose(1, 2).flatten(2)


class Block(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = Attention(config)
        self.mlp_norm = nn.LayerNorm(config.width)
        self.mlp_in = nn.Linear(config.width, config.mlp_width)
        self.mlp_out = nn.Linear(config.mlp_width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x_BTD: Tensor, mask_BTS: Tensor, rotation: Rotation | None, past: Past | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        mixed_BTD, keys_BTE, values_BTE = self.attention(self.attention_norm(x_BTD), mask_BTS, rotation, past)
        x_BTD = x_BTD + self.dropout(mixed_BTD)
        hidden = functional.gelu(self.mlp_in(self.mlp_norm(x_BTD)), approximate="tanh")
        return x_BTD + self.dropout(self.mlp_out(hidden)), keys_BTE, values_BTE


class GPT(nn.Module):
    waves: Tensor
    cos: Tensor
    sin: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.position = nn.Embedding(config.context, config.width) if config.positions == "learned" else None
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        cos, sin = turns(config.context + config.longest_step, config.head_width)
        for name, table in (("waves", waves(config.context, config.width)), ("cos", cos), ("sin", sin)):
            self.register_buffer(name, table, persistent=False)
        self.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
        if isinstance(module, Block):
            for projection in (module.attention.out, module.mlp_out):  # a parent comes after its children
                nn.init.normal_(projection.weight, std=0.02 / math.sqrt(2 * self.config.layers))

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits (B, T, V) of the token after each of a text's first tokens: what `step` gives from an empty cache."""
        time_T = torch.arange(tokens_BT.shape[1], device=tokens_BT.device)
        x_BTD = self._embed(tokens_BT, time_T)
        mask_1TT, rotation = mask(causal(time_T, self.config.context)[None]), self._rotation(time_T)
        for block in self.blocks:
            x_BTD, _, _ = block(x_BTD, mask_1TT, rotation, None)
        return self._logits(x_BTD)

    def step(
        self, tokens_BT: Tensor, length_B: Tensor, past_keys_BCLE: Tensor, past_values_BCLE: Tensor, past_length_B: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits (B, T, V) of the token after each new one, and the state after `length` of them."""
        context = self.config.context
        time_T = torch.arange(tokens_BT.shape[1], device=tokens_BT.device)
        position_BT = past_length_B[:, None] + time_T
        x_BTD, rotation = self._embed(tokens_BT, position_BT), self._rotation(position_BT)
        mask_BTS = mask(visible(past_length_B, time_T, context))
        keys, values = [], []
        for block, past in zip(self.blocks, self._past(past_keys_BCLE, past_values_BCLE), strict=True):
            x_BTD, keys_BTE, values_BTE = block(x_BTD, mask_BTS, rotation, past)
            keys.append(keys_BTE)
            values.append(values_BTE)
        index_BC = survivors(past_length_B, length_B, time_T, context)
        present_keys_BCLE = keep(past_keys_BCLE, torch.stack(keys, dim=2), index_BC)
        present_values_BCLE = keep(past_values_BCLE, torch.stack(values, dim=2), index_BC)
        return self._logits(x_BTD), present_keys_BCLE, present_values_BCLE, (past_length_B + length_B).clamp(max=context)

    def _past(self, keys_BCLE: Tensor, values_BCLE: Tensor) -> list[Past]:
        """Layer by layer; the keys of all of them are turned at once."""
        config = self.config
        heads = (config.kv_heads, config.head_width)
        keys_BCLGN, values_BCLGN = keys_BCLE.unflatten(-1, heads), values_BCLE.unflatten(-1, heads)
        if config.positions == "rotary":
            cos, sin = (
                table[: config.context, None, None].expand(-1, config.layers, *heads) for table in (self.cos, self.sin)
            )
            keys_BCLGN = Rotation(cos, sin).turn(keys_BCLGN)
        return [Past(*layer) for layer in zip(keys_BCLGN.unbind(2), values_BCLGN.unbind(2), strict=True)]

    def _embed(self, tokens_BT: Tensor, position: Tensor) -> Tensor:
        x_BTD = self.embedding(tokens_BT)
        position = position.clamp(max=self.config.context - 1)
        if self.position is not None:
            x_BTD = x_BTD + self.position(position)
        elif self.config.positions == "sinusoidal":
            x_BTD = x_BTD + self.waves[position]
        return self.dropout(x_BTD)

    def _rotation(self, position: Tensor) -> Rotation | None:
        if self.config.positions != "rotary":
            return None
        return Rotation(self.cos[position][..., None, None, :], self.sin[position][..., None, None, :])

    def _logits(self, x_BTD: Tensor) -> Tensor:
        return functional.linear(self.norm(x_BTD), self.embedding.weight)


def graphs(config: Config) -> tuple[Graph, ...]:
    cache = ("batch", config.context, config.layers, config.kv_width)
    last = config.vocabulary - 1
    tokens = Port(name="tokens", dtype="int64", shape=("batch", "time"), doc="numbers of the new tokens", low=0, high=last)
    length = Port(
        name="length", dtype="int64", shape=("batch",), doc="valid new tokens", unit="tokens", low=1,
        high=config.longest_step, role="length", axis="time",
    )  # fmt: skip
    past = (
        Port(name="past_keys", dtype="float32", shape=cache, doc="keys of earlier tokens, oldest first", role="state"),
        Port(name="past_values", dtype="float32", shape=cache, doc="values of earlier tokens", role="state"),
        Port(
            name="past_length", dtype="int64", shape=("batch",), doc="slots that are taken", unit="tokens", low=0,
            high=config.context, role="state",
        ),
    )  # fmt: skip
    logits = Port(
        name="logits", dtype="float32", shape=("batch", "time", config.vocabulary), unit="nats",
        doc="log-odds of the token after each, unnormalised",
    )  # fmt: skip
    present = tuple(
        Port(
            name=port.name.replace("past", "present"), dtype=port.dtype, shape=port.shape, unit=port.unit, low=port.low,
            high=port.high, doc=f"{port.doc}, for the next call", feeds=port.name,
        )
        for port in past
    )  # fmt: skip
    time = Axis(name="time", high=config.longest_step, padded=True, incremental=True)
    return (Graph(name="step", inputs=(tokens, length, *past), outputs=(logits, *present), methods=("step",), axes=(time,)),)


FAMILY = Family(
    task="text-generation",
    config=Config,
    build=GPT,
    graphs=graphs,
    tiny=Config(vocabulary=11, context=9, layers=2, width=8, heads=2, kv_heads=1, mlp_width=16, longest_step=7, dropout=0.0),
    paper="https://arxiv.org/abs/1706.03762",
)
