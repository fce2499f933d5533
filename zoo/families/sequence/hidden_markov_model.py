"""Hidden Markov model: what is seen at each step depends on a state that is not seen, and the state on the one before.

    P(s, y) = P(s_1) Π_t P(s_t | s_t−1) Π_t P(y_t | s_t)

Paper: Rabiner (1989), https://doi.org/10.1109/5.18626. `viterbi` finds the likeliest path of states by dynamic programming:
δ_t(j) = max_i [δ_t−1(i) + a_ij] + b_j(y_t) in logarithms forward, then from the best last state back, each time to the state
that the best path came from. `posterior` is the forward-backward algorithm: P(s_t | y), and P(y) on the way.

Every step is scaled: δ_t less its largest, the forward and backward vectors to a sum of 1. So numbers keep their size
however long the series is, and what was taken off adds up to the logarithms of P(s, y) and P(y). Rows of a batch differ in
length: beyond `length` nothing is carried on, and all outputs are 0.

Of two paths that are equally likely, the one is found that has the state of lower number where they part, seen from the end.
The scores say how much less likely the best path through each other state is; they tie where paths do.

The weights are log-odds, of which a softmax makes probabilities.

Shape letters: B batch, T steps, K states, M symbols.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.loops import scan
from zoo.spec import Axis, Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    states: int = 2
    symbols: int = 6
    max_steps: int = 300


class HiddenMarkovModel(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.start_K = nn.Parameter(torch.randn(config.states))
        self.transition_KK = nn.Parameter(torch.randn(config.states, config.states))  # from a row to a column
        self.emission_KM = nn.Parameter(torch.randn(config.states, config.symbols))

    def log_probabilities(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of the first state, (K,), of the next, (K, K), and of what is seen, (K, M)."""
        start_K, transition_KK, emission_KM = self.start_K, self.transition_KK, self.emission_KM
        return start_K.log_softmax(dim=-1), transition_KK.log_softmax(dim=-1), emission_KM.log_softmax(dim=-1)

    def viterbi(self, symbols_BT: Tensor, length_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The likeliest path, how much less likely each state makes it, and its log-probability."""
        start_K, transition_KK, emission_KM = self.log_probabilities()

        def forward(before_BK: Tensor, seen_BK: Tensor, valid_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            delta_BK = before_BK + seen_BK
            best_B = delta_BK.amax(dim=1)
            delta_BK = delta_BK - best_B[:, None]
            after_BK = (delta_BK[:, :, None] + transition_KK).amax(dim=1)
            return _where(valid_B, after_BK, before_BK), delta_BK, torch.where(valid_B, best_B, 0)

        def back(
            leads_BK: Tensor, rest_BK: Tensor, delta_BK: Tensor, seen_BK: Tensor, valid_B: Tensor
        ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            """`leads` is to the state after this one on the path, `rest` the best that can follow from each state."""
            state_B = (delta_BK + leads_BK).argmax(dim=1)
            through_BK = delta_BK + rest_BK
            rest_before_BK = (transition_KK + (seen_BK + rest_BK)[:, None]).amax(dim=2)
            rest_before_BK = rest_before_BK - rest_before_BK.amax(dim=1, keepdim=True)
            leads_BK = _where(valid_B, transition_KK[:, state_B].T, leads_BK)
            through_BK = through_BK - through_BK.amax(dim=1, keepdim=True)
            return leads_BK, _where(valid_B, rest_before_BK, rest_BK), state_B, through_BK

        seen_TBK, valid_TB = emission_KM.T[symbols_BT.T], _valid(symbols_BT, length_B)
        first_BK = start_K.expand(len(length_B), -1)
        _, (delta_TBK, best_TB) = scan(forward, (first_BK,), (seen_TBK, valid_TB))
        zeros_BK = torch.zeros_like(first_BK)
        steps = tuple(each.flip(0) for each in (delta_TBK, seen_TBK, valid_TB))
        _, (states_TB, scores_TBK) = scan(back, (zeros_BK, zeros_BK), steps)
        states_TB, scores_TBK = states_TB.flip(0), scores_TBK.flip(0)
        states_BT = torch.where(valid_TB, states_TB, 0).T
        return states_BT, _where(valid_TB, scores_TBK, 0).transpose(0, 1), _total(best_TB)

    def posterior(self, symbols_BT: Tensor, length_B: Tensor) -> tuple[Tensor, Tensor]:
        """The probability of each state at each step, and the log-probability of what was seen."""
        start_K, transition_KK, emission_KM = (each.exp() for each in self.log_probabilities())

        def forward(before_BK: Tensor, seen_BK: Tensor, valid_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            alpha_BK = before_BK * seen_BK
            scale_B = alpha_BK.sum(dim=1)
            alpha_BK = alpha_BK / scale_B[:, None]
            return _where(valid_B, alpha_BK @ transition_KK, before_BK), alpha_BK, torch.where(valid_B, scale_B.log(), 0)

        def back(beta_BK: Tensor, alpha_BK: Tensor, seen_BK: Tensor, valid_B: Tensor) -> tuple[Tensor, Tensor]:
            before_BK = _shares(functional.linear(beta_BK * seen_BK, transition_KK))
            return _where(valid_B, before_BK, beta_BK), _shares(alpha_BK * beta_BK)

        seen_TBK, valid_TB = emission_KM.T[symbols_BT.T], _valid(symbols_BT, length_B)
        first_BK = start_K.expand(len(length_B), -1)
        _, (alpha_TBK, scale_TB) = scan(forward, (first_BK,), (seen_TBK, valid_TB))
        steps = tuple(each.flip(0) for each in (alpha_TBK, seen_TBK, valid_TB))
        _, (probabilities_TBK,) = scan(back, (torch.ones_like(first_BK),), steps)
        return _where(valid_TB, probabilities_TBK.flip(0), 0).transpose(0, 1), _total(scale_TB)


def _valid(symbols_BT: Tensor, length_B: Tensor) -> Tensor:
    return torch.arange(symbols_BT.shape[1], device=length_B.device)[:, None] < length_B  # (T, B)


def _where(valid: Tensor, yes: Tensor, no: Tensor | int) -> Tensor:
    """The same choice for all states, which are the last axis."""
    return torch.where(valid[..., None], yes, no)


def _total(values_TB: Tensor) -> Tensor:
    """Added up in float64: in float32 the order would show, by a thousandth after 300 steps."""
    return values_TB.double().sum(dim=0).to(values_TB.dtype)


def _shares(values_BK: Tensor) -> Tensor:
    return values_BK / values_BK.sum(dim=1, keepdim=True)


def graphs(config: Config) -> tuple[Graph, ...]:
    symbols = Port(
        name="symbols", dtype="int64", shape=("batch", "time"), doc="what was seen, numbered from 0", low=0,
        high=config.symbols - 1,
    )  # fmt: skip
    length = Port(
        name="length", dtype="int64", shape=("batch",), doc="valid steps", unit="steps", low=1, high=config.max_steps,
        role="length", axis="time",
    )  # fmt: skip
    each = ("batch", "time", config.states)
    states = Port(
        name="states", dtype="int64", shape=("batch", "time"), doc="likeliest path; 0 beyond the length", low=0,
        high=config.states - 1, argmax_of="scores",
    )  # fmt: skip
    scores = Port(
        name="scores", dtype="float32", shape=each, unit="nats", high=0,
        doc="log-probability of the best path through each state, less that of the best of all",
    )  # fmt: skip
    path = Port(
        name="log_probability", dtype="float32", shape=("batch",), unit="nats", high=0,
        doc="of the likeliest path and what was seen",
    )  # fmt: skip
    probabilities = Port(
        name="probabilities", dtype="float32", shape=each, doc="of each state, given all that was seen", low=0, high=1
    )
    seen = Port(name="log_likelihood", dtype="float32", shape=("batch",), doc="of what was seen", unit="nats")
    axes = (Axis(name="time", high=config.max_steps, padded=True),)
    return (
        Graph(
            name="viterbi", methods=("viterbi",), inputs=(symbols, length), outputs=(states, scores, path), axes=axes
        ),
        Graph(name="posterior", methods=("posterior",), inputs=(symbols, length), outputs=(probabilities, seen), axes=axes),
    )  # fmt: skip


FAMILY = Family(
    task="state-decoding",
    config=Config,
    build=HiddenMarkovModel,
    graphs=graphs,
    tiny=Config(states=3, symbols=4, max_steps=7),
    paper="https://doi.org/10.1109/5.18626",
)
