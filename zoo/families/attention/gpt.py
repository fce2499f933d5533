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

Shape letters: B batch, T new tokens, C slots (context), S = C + T, L layers, H heads, G heads of keys and values, N numbers
a head, D width, E = G · N, V vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.spec import Axis, Family, Graph, Port

POSITIONS = ("learned", "sinusoidal", "rotary")
WAVELENGTH = 10_000.0  # of the slowest sinusoid, divided by 2 π


@dataclass(frozen=True, kw_only=True)
class Config:
    vocabulary: int = 65
    context: int = 256  # tokens that one token sees, itself included: the slots of the cache
    layers: int = 4
    width: int = 128
    heads: int = 4
    kv_heads: int = 1
    mlp_width: int = 512
    positions: str = "rotary"  # learned, sinusoidal, rotary
    longest_step: int = 16  # tokens of one call, at most; a longer prompt takes several
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
class Rotation:
    """Cosines and sines, a row a position, by which pairs of numbers of a head are turned."""

    cos: Tensor
    sin: Tensor

    def turn(self, x_BGTN: Tensor) -> Tensor:
        first, second = x_BGTN.chunk(2, dim=-1)
        return torch.cat([first * self.cos - second * self.sin, second * self.cos + first * self.sin], dim=-1)


@dataclass(frozen=True)
class View:
    """What attention is told beside its tokens: M (B, T, S), and the turns of the new tokens and of the slots."""

    mask: Tensor
    new: Rotation | None = None
    slots: Rotation | None = None


@dataclass(frozen=True)
class Slots:
    """What one layer kept of earlier tokens, (B, C, E) each."""

    keys: Tensor
    values: Tensor


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.project = nn.Linear(config.width, config.width + 2 * config.kv_width)  # W_Q, W_K and W_V side by side
        self.out = nn.Linear(config.width, config.width)

    def forward(self, x_BTD: Tensor, view: View, past: Slots | None) -> tuple[Tensor, Tensor, Tensor]:
        """What attention adds, (B, T, D), and the new tokens' keys and values, (B, T, E)."""
        widths = [self.config.width, self.config.kv_width, self.config.kv_width]
        q_BTD, k_BTE, v_BTE = self.project(x_BTD).split(widths, dim=-1)
        q_BHTN, k_BGSN, v_BGSN = (self._heads(x) for x in (q_BTD, k_BTE, v_BTE))
        if view.new is not None:
            q_BHTN, k_BGSN = view.new.turn(q_BHTN), view.new.turn(k_BGSN)
        if past is not None:
            old_BGCN = self._heads(past.keys)
            k_BGSN = torch.cat([old_BGCN if view.slots is None else view.slots.turn(old_BGCN), k_BGSN], dim=2)
            v_BGSN = torch.cat([self._heads(past.values), v_BGSN], dim=2)
        mixed_BHTN = attend(q_BHTN, k_BGSN, v_BGSN, view.mask)
        return self.out(mixed_BHTN.transpose(1, 2).flatten(2)), k_BTE, v_BTE

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (-1, self.config.head_width)).transpose(1, 2)


def attend(q_BHTN: Tensor, k_BGSN: Tensor, v_BGSN: Tensor, mask_BTS: Tensor) -> Tensor:
    """softmax(Q Kᵀ / √N + M) V of every head, (B, H, T, N). M is 0 where a token sees another and −∞ elsewhere.

    Heads that share keys are the rows of one product, which copies nothing for them. Every token must see at least one.
    """
    time = q_BHTN.shape[2]
    q_BHTN = q_BHTN / math.sqrt(q_BHTN.shape[-1])
    q_BGRN = q_BHTN.unflatten(1, (k_BGSN.shape[1], -1)).flatten(2, 3)  # R: the T tokens of every head of the group
    scores_BGHTS = (q_BGRN @ k_BGSN.transpose(-1, -2)).unflatten(2, (-1, time))
    weights_BGRS = (scores_BGHTS + mask_BTS[:, None, None].to(scores_BGHTS)).softmax(dim=-1).flatten(2, 3)
    return (weights_BGRS @ v_BGSN).unflatten(2, (-1, time)).flatten(1, 2)


class Block(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = Attention(config)
        self.mlp_norm = nn.LayerNorm(config.width)
        self.mlp_in = nn.Linear(config.width, config.mlp_width)
        self.mlp_out = nn.Linear(config.mlp_width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BTD: Tensor, view: View, past: Slots | None) -> tuple[Tensor, Tensor, Tensor]:
        mixed_BTD, keys_BTE, values_BTE = self.attention(self.attention_norm(x_BTD), view, past)
        x_BTD = x_BTD + self.dropout(mixed_BTD)
        hidden = functional.gelu(self.mlp_in(self.mlp_norm(x_BTD)), approximate="tanh")
        return x_BTD + self.dropout(self.mlp_out(hidden)), keys_BTE, values_BTE


class GPT(nn.Module):
    sin: Tensor
    cos: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.position = nn.Embedding(config.context, config.width) if config.positions == "learned" else None
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        width = config.head_width if config.positions == "rotary" else config.width
        sin, cos = sinusoids(config.context + config.longest_step, width)
        self.register_buffer("sin", sin, persistent=False)
        self.register_buffer("cos", cos, persistent=False)
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
        view = View(mask(causal(time_T, self.config.context)[None]), self._rotation(time_T))
        for block in self.blocks:
            x_BTD, _, _ = block(x_BTD, view, None)
        return self._logits(x_BTD)

    def step(
        self, tokens_BT: Tensor, length_B: Tensor, past_keys_BCLE: Tensor, past_values_BCLE: Tensor, past_length_B: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits (B, T, V) of the token after each new one, and the state after `length` of them."""
        context, device = self.config.context, tokens_BT.device
        time_T = torch.arange(tokens_BT.shape[1], device=device)
        position_BT = past_length_B[:, None] + time_T
        x_BTD = self._embed(tokens_BT, position_BT)
        view = View(
            mask(visible(past_length_B, time_T, context)),
            self._rotation(position_BT[:, None]),
            self._rotation(torch.arange(context, device=device)),
        )
        keys, values = [], []
        for number, block in enumerate(self.blocks):
            past = Slots(past_keys_BCLE[:, :, number], past_values_BCLE[:, :, number])
            x_BTD, keys_BTE, values_BTE = block(x_BTD, view, past)
            keys.append(keys_BTE)
            values.append(values_BTE)
        index_BC = survivors(past_length_B, length_B, time_T, context)
        present_keys_BCLE = keep(past_keys_BCLE, torch.stack(keys, dim=2), index_BC)
        present_values_BCLE = keep(past_values_BCLE, torch.stack(values, dim=2), index_BC)
        return self._logits(x_BTD), present_keys_BCLE, present_values_BCLE, (past_length_B + length_B).clamp(max=context)

    def _embed(self, tokens_BT: Tensor, position: Tensor) -> Tensor:
        x_BTD = self.embedding(tokens_BT)
        position = position.clamp(max=self.config.context - 1)
        if self.position is not None:
            x_BTD = x_BTD + self.position(position)
        elif self.config.positions == "sinusoidal":
            x_BTD = x_BTD + torch.stack([self.sin[position], self.cos[position]], dim=-1).flatten(-2)
        return self.dropout(x_BTD)

    def _rotation(self, position: Tensor) -> Rotation | None:
        return Rotation(self.cos[position], self.sin[position]) if self.config.positions == "rotary" else None

    def _logits(self, x_BTD: Tensor) -> Tensor:
        return functional.linear(self.norm(x_BTD), self.embedding.weight)


def sinusoids(positions: int, width: int) -> tuple[Tensor, Tensor]:
    """sin and cos of position / 10000^(2i / width), (positions, width / 2) each."""
    frequency = WAVELENGTH ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.arange(positions, dtype=torch.float64)[:, None] * frequency
    return angle.sin().float(), angle.cos().float()


def causal(time_T: Tensor, context: int) -> Tensor:
    """Whether the new token t sees the new token s, (T, T)."""
    distance_TT = time_T[:, None] - time_T
    return (distance_TT >= 0) & (distance_TT < context)


def visible(past_length_B: Tensor, time_T: Tensor, context: int) -> Tensor:
    """Whether the new token t sees slot s, and the new token s − C, (B, T, C + T)."""
    slot_C = torch.arange(context, device=time_T.device)
    past_B11 = past_length_B[:, None, None]
    old_BTC = (slot_C < past_B11) & (past_B11 + time_T[:, None] - slot_C < context)
    return torch.cat([old_BTC, causal(time_T, context).expand(len(past_length_B), -1, -1)], dim=-1)


def mask(visible: Tensor) -> Tensor:
    """M: what is added to the scores."""
    return torch.zeros(visible.shape, device=visible.device).masked_fill(~visible, -math.inf)


def survivors(past_length_B: Tensor, length_B: Tensor, time_T: Tensor, context: int) -> Tensor:
    """Where each slot's next content comes from, (B, C): an old slot, C + a new token, or C + T for none."""
    total_B1, past_B1 = (past_length_B + length_B)[:, None], past_length_B[:, None]
    place_BC = torch.arange(context, device=time_T.device) + (total_B1 - context).clamp(min=0)
    filled_BC = torch.where(place_BC < past_B1, place_BC, context + place_BC - past_B1)
    return torch.where(place_BC < total_B1, filled_BC, context + len(time_T))


def keep(past_BCLE: Tensor, new_BTLE: Tensor, index_BC: Tensor) -> Tensor:
    """The next slots: whole tokens are copied, and zero where there is none."""
    nothing = torch.zeros_like(past_BCLE[:, :1])
    source = torch.cat([past_BCLE, new_BTLE.to(past_BCLE), nothing], dim=1)
    row_B1 = torch.arange(len(index_BC), device=index_BC.device)[:, None]
    return source[row_B1, index_BC]


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
