"""Beam search: of the sequences that a decoder may write, some that are likely as a whole.

At every step each of a row's hypotheses is continued by every token, and the best `width` of the results are kept. One that
ends frees no room: the beam gets narrower by it, and the search ends when it has none left (Bahdanau et al. 2015,
https://arxiv.org/abs/1409.0473). With width 1 it is the greedy search; when no hypothesis is ever dropped, it is exhaustive.
All hypotheses of all rows go through the graph together, so an answer takes one call a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.calls import Call, Plan
from zoo.spec import Arrays


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """A graph that continues sequences: `tokens` (rows, 1) in, `logits` (rows, 1, V) out; and the tokens at their ends.

    `states` name its inputs `past_…`, whose next values are `present_…`; `trace` an output that is kept for every token.
    """

    graph: str
    start: int
    end: int
    states: tuple[str, ...]
    trace: str = ""


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """A sequence without its end token, its log-probability in nats, whether it has ended, and the trace of each token."""

    tokens: tuple[int, ...]
    score: float
    ended: bool
    trace: np.ndarray

    def mean_score(self, power: float) -> float:
        """log p / |Y|^power, the end token counted: with 0 the likeliest wins, which short ones are; with 1 the mean."""
        return self.score / (len(self.tokens) + self.ended) ** power


def beam_search(
    decoder: Decoder, fixed: Arrays, states: Arrays, *, widths: Sequence[int], limits: Sequence[int]
) -> Plan[list[list[Hypothesis]]]:
    """Up to `width` hypotheses of every row, in the order in which they were found.

    `fixed` are the decoder's inputs that stay the same, `states` its first states, one row each. What has not ended after a
    row's limit of tokens is taken as it is.
    """
    found: list[list[Hypothesis]] = [[] for _ in widths]
    room = np.array(widths, dtype=np.int64)
    beam = _Beam.begin(len(found), decoder.start, states)
    while len(beam.rows):
        inputs = {"tokens": beam.tokens[:, -1:], **beam.states, **{name: array[beam.rows] for name, array in fixed.items()}}
        outputs = yield Call(decoder.graph, inputs)
        beam = beam.grown(outputs, decoder, room)
        done = (beam.tokens[:, -1] == decoder.end) | (beam.tokens.shape[1] > np.asarray(limits)[beam.rows])
        for number in np.flatnonzero(done):
            found[beam.rows[number]].append(beam.hypothesis(int(number), decoder.end))
        room -= np.bincount(beam.rows[done], minlength=len(room))
        beam = beam.taken(np.flatnonzero(~done))
    return found


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities along the last axis, computed in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class _Beam:
    """The living hypotheses (H) of all rows: of which row, their tokens (H, t), scores, states and traces (H, t − 1, …)."""

    rows: np.ndarray
    tokens: np.ndarray
    scores: np.ndarray
    states: Arrays
    traces: np.ndarray

    @classmethod
    def begin(cls, rows: int, start: int, states: Arrays) -> _Beam:
        return cls(np.arange(rows), np.full((rows, 1), start, np.int64), np.zeros(rows), states, np.zeros((rows, 0)))

    def taken(self, which: np.ndarray) -> _Beam:
        states = {name: array[which] for name, array in self.states.items()}
        return _Beam(self.rows[which], self.tokens[which], self.scores[which], states, self.traces[which])

    def grown(self, outputs: Arrays, decoder: Decoder, room: np.ndarray) -> _Beam:
        """The best continuations, as many of each row as there is room for."""
        scores = self.scores[:, None] + log_softmax(outputs["logits"][:, -1])
        parents, tokens = _best(self.rows, scores, room)
        states = {name: outputs[name.replace("past_", "present_", 1)] for name in decoder.states}
        traces = self.traces
        if decoder.trace:
            new = outputs[decoder.trace]
            traces = np.concatenate([traces, new], axis=1) if traces.shape[1] else new
        longer = _Beam(self.rows, self.tokens, self.scores, states, traces).taken(parents)
        return _Beam(
            longer.rows,
            np.concatenate([longer.tokens, tokens[:, None]], axis=1),
            scores[parents, tokens],
            longer.states,
            longer.traces,
        )

    def hypothesis(self, number: int, end: int) -> Hypothesis:
        tokens = tuple(self.tokens[number, 1:].tolist())
        ended = tokens[-1] == end
        return Hypothesis(
            tokens=tokens[:-1] if ended else tokens,
            score=float(self.scores[number]),
            ended=ended,
            trace=self.traces[number],
        )


def _best(rows: np.ndarray, scores: np.ndarray, room: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Parents and tokens of the best `room[row]` entries of the scores (H, V) in every row, the best first."""
    count = min(int(room.max()), scores.shape[1])
    tokens = np.argpartition(-scores, count - 1, axis=1)[:, :count].ravel()  # of one parent no more can be kept
    parents = np.repeat(np.arange(len(rows)), count)
    order = np.lexsort((-scores[parents, tokens], rows[parents]))
    parents, tokens = parents[order], tokens[order]
    first = np.searchsorted(rows[parents], rows[parents])
    kept = np.arange(len(parents)) - first < room[rows[parents]]
    return parents[kept], tokens[kept]
