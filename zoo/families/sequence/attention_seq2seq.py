"""Encoder and decoder with attention: a sentence is read both ways, and every word that is written looks at all of it.

    h_i = [→h_i; ←h_i]            s_0 = tanh(W_s ←h_1)                                 memory, keys U_a h_i, first state
    e_ti = v · tanh(W_a s_{t−1} + U_a h_i)    α_t = softmax_i(e_t)    c_t = Σ_i α_ti h_i
    s_t = GRU([E y_{t−1}; c_t], s_{t−1})      p(y_t) = softmax(E tanh(W_o [s_t; c_t; E y_{t−1}]) + b)

Paper: Bahdanau, Cho, Bengio (2015), https://arxiv.org/abs/1409.0473, sections 3 and A; a tanh layer where it has maxout, and
one table of embeddings E for both languages and the output (Press and Wolf 2017, https://arxiv.org/abs/1608.05859). With
`attention="dot"` the score is the product (W_a s_{t−1}) · (U_a h_i) (Luong et al. 2015, https://arxiv.org/abs/1508.04025).
The recurrent unit is the paper's, not the library's (`zoo.layers.gru`).

`encode` runs once a sentence, `step` once a word. A row's `length` says how much of its source is valid: weights beyond it
are exactly zero, so the answer is the same beside any padding.

Shape letters: B batch, S source steps, T target steps, E embedding, H hidden features of a direction, M = 2H memory,
D decoder state, A alignment features, V vocabulary, N valid target steps of all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.gru import BidirectionalGRU, GRUCell, rows_at
from zoo.spec import Axis, Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    vocabulary: int = 2500
    embedding: int = 128
    encoder: int = 96  # hidden features of each direction
    decoder: int = 192
    alignment: int = 64  # features that scores are computed from
    attention: Literal["additive", "dot"] = "additive"
    max_source: int = 100  # tokens of a sentence
    dropout: float = 0.2  # probability of zeroing a feature of embeddings, memory and readout; training only


class Attention(nn.Module):
    """How well each step of the memory matches the decoder's last state, and the mean of the memory by that weight."""

    def __init__(self, state: int, memory: int, alignment: int, kind: str) -> None:
        super().__init__()
        self.query = nn.Linear(state, alignment)
        self.key = nn.Linear(memory, alignment, bias=False)
        self.score = nn.Linear(alignment, 1, bias=False) if kind == "additive" else None

    def forward(self, state_BD: Tensor, keys_BSA: Tensor, memory_BSM: Tensor, length_B: Tensor) -> tuple[Tensor, Tensor]:
        """Context (B, M) and weights (B, S), which sum to one over the first `length` steps."""
        query_BA = self.query(state_BD)
        if self.score is None:
            score_BS = (keys_BSA @ query_BA[:, :, None]).squeeze(-1)
        else:
            score_BS = self.score(torch.tanh(query_BA[:, None] + keys_BSA)).squeeze(-1)
        steps_S = torch.arange(keys_BSA.shape[1], device=keys_BSA.device)
        weight_BS = torch.softmax(score_BS.masked_fill(steps_S >= length_B[:, None], -torch.inf), dim=-1)
        return (weight_BS[:, None] @ memory_BSM).squeeze(1), weight_BS


class AttentionSeq2Seq(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        memory = 2 * config.encoder
        self.embedding = nn.Embedding(config.vocabulary, config.embedding)
        self.encoder = BidirectionalGRU(config.embedding, config.encoder)
        self.start = nn.Linear(config.encoder, config.decoder)
        self.attention = Attention(config.decoder, memory, config.alignment, config.attention)
        self.decoder = GRUCell(config.embedding + memory, config.decoder)
        self.readout = nn.Linear(config.decoder + memory + config.embedding, config.embedding)
        self.bias = nn.Parameter(torch.zeros(config.vocabulary))
        self.dropout = nn.Dropout(config.dropout)
        nn.init.normal_(self.embedding.weight, std=config.embedding**-0.5)

    def encode(self, tokens_BS: Tensor, length_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        memory_BSM = self.dropout(self.encoder(self.dropout(self.embedding(tokens_BS)), length_B))
        backward_BH = memory_BSM[:, 0].chunk(2, dim=-1)[1]  # the state of the direction that ends at the first word
        return memory_BSM, self.attention.key(memory_BSM), torch.tanh(self.start(backward_BH))

    def step(
        self, tokens_B1: Tensor, state_BD: Tensor, memory_BSM: Tensor, keys_BSA: Tensor, length_B: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One word on: logits (B, 1, V), weights (B, 1, S) and the next state."""
        word_BE = self.embedding(tokens_B1).squeeze(1)
        context_BM, weight_BS = self.attention(state_BD, keys_BSA, memory_BSM, length_B)
        state_BD = self.decoder(torch.cat([word_BE, context_BM], dim=-1), state_BD)
        return self._logits(state_BD, context_BM, word_BE)[:, None], weight_BS[:, None], state_BD

    def forward(self, source_BS: Tensor, length_B: Tensor, words_BT: Tensor, count_B: Tensor) -> Tensor:
        """Logits (N, V) of the words after each of the `count` first ones of every row, row by row (teacher forcing)."""
        order_B = torch.argsort(count_B, descending=True, stable=True)
        rows_T = rows_at(count_B[order_B], int(count_B.max()))
        memory_BSM, keys_BSA, state_BD = self.encode(source_BS[order_B], length_B[order_B])
        words_BTE = self.dropout(self.embedding(words_BT[order_B]))
        length_B = length_B[order_B]
        parts = []
        for rows, word_BE in zip(rows_T, words_BTE.unbind(1), strict=False):
            if rows < len(state_BD):  # rows that are done fall out behind
                state_BD, keys_BSA, memory_BSM, length_B = (
                    each[:rows] for each in (state_BD, keys_BSA, memory_BSM, length_B)
                )
            context_BM, _ = self.attention(state_BD, keys_BSA, memory_BSM, length_B)
            state_BD = self.decoder(torch.cat([word_BE[:rows], context_BM], dim=-1), state_BD)
            parts.append(torch.cat([state_BD, context_BM, word_BE[:rows]], dim=-1))
        return self._logits(torch.cat(parts)[_places(order_B, rows_T)])

    def _logits(self, *parts: Tensor) -> Tensor:
        hidden = self.dropout(torch.tanh(self.readout(torch.cat(parts, dim=-1))))
        return functional.linear(hidden, self.embedding.weight, self.bias)


def _places(order_B: Tensor, rows_T: list[int]) -> Tensor:
    """Where the steps of the first row are, then those of the second, and so on, when step by step the rows lie in
    `order_B` and there are `rows_T` of them."""
    count_T = torch.tensor(rows_T, device=order_B.device)
    rank_B1 = torch.argsort(order_B)[:, None]
    return (count_T.cumsum(0) - count_T + rank_B1)[rank_B1 < count_T]


def graphs(config: Config) -> tuple[Graph, ...]:
    memory_shape = ("batch", "source", 2 * config.encoder)
    keys_shape = ("batch", "source", config.alignment)
    state_shape = ("batch", config.decoder)
    length = Port(
        name="length", dtype="int64", shape=("batch",), doc="valid source tokens", unit="tokens", low=1,
        high=config.max_source, role="length", axis="source",
    )  # fmt: skip
    encode = Graph(
        name="encode",
        methods=("encode",),
        inputs=(_tokens(config, "source", "source tokens, the end mark last"), length),
        outputs=(
            Port(name="memory", dtype="float32", shape=memory_shape, doc="both directions' states", low=-1, high=1),
            Port(name="keys", dtype="float32", shape=keys_shape, doc="the memory, mapped for the scores"),
            Port(name="state", dtype="float32", shape=state_shape, doc="the decoder's first state", low=-1, high=1),
        ),
        axes=(Axis(name="source", high=config.max_source, padded=True),),
    )
    step = Graph(
        name="step",
        methods=("step",),
        inputs=(
            _tokens(config, 1, "the last target token, the start mark at first"),
            Port(
                name="past_state", dtype="float32", shape=state_shape, doc="`state` of encode at first", low=-1, high=1,
                role="state",
            ),
            Port(name="memory", dtype="float32", shape=memory_shape, doc="of encode", low=-1, high=1),
            Port(name="keys", dtype="float32", shape=keys_shape, doc="of encode", low=-2, high=2),
            length,
        ),
        outputs=(
            Port(name="logits", dtype="float32", shape=("batch", 1, config.vocabulary), doc="the next token", unit="nats"),
            Port(
                name="attention", dtype="float32", shape=("batch", 1, "source"), doc="weight of each source token", low=0,
                high=1,
            ),
            Port(
                name="present_state", dtype="float32", shape=state_shape, doc="the next state", low=-1, high=1,
                feeds="past_state",
            ),
        ),
        axes=(Axis(name="source", high=config.max_source, padded=True),),
    )  # fmt: skip
    return encode, step


def _tokens(config: Config, steps: int | str, doc: str) -> Port:
    return Port(name="tokens", dtype="int64", shape=("batch", steps), doc=doc, low=0, high=config.vocabulary - 1)


FAMILY = Family(
    task="translation",
    config=Config,
    build=AttentionSeq2Seq,
    graphs=graphs,
    tiny=Config(vocabulary=11, embedding=6, encoder=4, decoder=5, alignment=3, max_source=9),
    paper="https://arxiv.org/abs/1409.0473",
)
