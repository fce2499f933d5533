"""Ending a text before the first of some words, which a model may spread over several tokens."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.generation import Generation, Piece
from zoo.spec import Arrays


class Stopping:
    """A generation of text that ends before the first of `words`.

    Text that may be the beginning of a word is held back until it is known whether it is one. There is still one piece for
    each of the generation's, perhaps with an empty text.
    """

    def __init__(self, generation: Generation, words: Sequence[str]) -> None:
        self.graph = generation.graph
        self._generation = generation
        self._words = words
        self._held = ""
        self._stopped = False

    def inputs(self) -> Arrays | None:
        return None if self._stopped else self._generation.inputs()

    def take(self, outputs: Arrays) -> list[Piece]:
        shown = []
        for piece in self._generation.take(outputs):
            if not self._stopped and "text" in piece:
                shown.append(self._show(piece))
        return shown

    def _show(self, piece: Piece) -> Piece:
        text = self._held + piece["text"]
        found = [place for word in self._words if (place := text.find(word)) >= 0]
        if found:
            self._stopped = True
            return {**piece, "text": text[: min(found)], "finish_reason": "stop"}
        keep = 0 if "finish_reason" in piece else max(_overlap(text, word) for word in self._words)
        self._held = text[len(text) - keep :]
        return {**piece, "text": text[: len(text) - keep]}


def _overlap(text: str, word: str) -> int:
    """How much of the end of `text` is the beginning of `word`."""
    longest = min(len(text), len(word) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(word[:size])), 0)
