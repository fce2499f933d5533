"""A text that a decoder writes token by token, each token given to it in the next call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from zoo.generation import Piece
from zoo.sampling import draw, probabilities
from zoo.spec import Arrays

_PARTIAL = "\N{REPLACEMENT CHARACTER}"  # stands for a character of which bytes are still to come


class Choice(Protocol):
    """How the next token is chosen, and how many there may be."""

    @property
    def max_tokens(self) -> int: ...
    @property
    def temperature(self) -> float: ...
    @property
    def top_k(self) -> int: ...
    @property
    def top_p(self) -> float: ...
    @property
    def seed(self) -> int: ...


@dataclass(kw_only=True, eq=False)
class Writing:
    """`zoo.generation.Generation` of a text from the token `start` to the token `end`.

    `fixed` are the inputs that every call takes, `states` what the graph remembers at first (from an encoder, say). `text`
    says what tokens read together, which is more than the sum of what each reads: a character may need several.
    """

    graph: str
    fixed: Arrays
    states: Arrays
    start: int
    end: int
    text: Callable[[Sequence[int]], str]
    choice: Choice
    tokens: list[int] = field(default_factory=list)
    shown: str = ""
    ended: bool = False

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.choice.seed)

    def inputs(self) -> Arrays | None:
        if self.ended:
            return None
        token = self.tokens[-1] if self.tokens else self.start
        first = {} if self.tokens else self.states
        return {"tokens": np.array([[token]], dtype=np.int64), **self.fixed, **first}

    def take(self, outputs: Arrays) -> list[Piece]:
        """One piece for the token that was chosen, with the text that is certain since the last one."""
        chosen = self.choice
        token = draw(
            probabilities(outputs["logits"][0, -1], temperature=chosen.temperature, top_k=chosen.top_k, top_p=chosen.top_p),
            self._rng,
        )
        if token != self.end:
            self.tokens.append(token)
        self.ended = token == self.end or len(self.tokens) == chosen.max_tokens
        finish = {"finish_reason": "stop" if token == self.end else "length"} if self.ended else {}
        return [{"text": self._more(), "token": token, **finish}]

    def _more(self) -> str:
        text = self.text(self.tokens)
        if not self.ended:
            text = text.rstrip(_PARTIAL)
        more, self.shown = text[len(self.shown) :], text if len(text) > len(self.shown) else self.shown
        return more
