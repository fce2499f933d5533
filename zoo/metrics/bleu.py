"""BLEU: how many runs of one to four words a translation shares with a person's, 0 to 100, over all sentences together.

Papineni, Roukos, Ward, Zhu (2002), https://aclanthology.org/P02-1040: the geometric mean of the four precisions, each count
clipped by that of the reference, times exp(1 − r/c) where the translations are shorter (c words) than the references (r).
One reference a sentence, upper and lower case distinguished, words and punctuation parted as NIST's `mteval-v13a` does it,
as in SacreBLEU's "13a" (Post 2018, https://arxiv.org/abs/1804.08771). Nothing is smoothed: without a common run of four, 0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from zoo.calls import Plan
from zoo.spec import Arrays

DIRECTION = 1
ORDERS = (1, 2, 3, 4)

_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_PARTED = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),  # punctuation other than . , - and the apostrophe
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),  # . and , but within numbers
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),  # - after a digit
)


class Translates(Protocol):
    def translate(self, inputs: Arrays) -> Plan[list[str]]: ...


def score(arrays: Mapping[str, np.ndarray], codec: Translates) -> Plan[np.ndarray]:
    """The counts of each row (`count`) of the codec's translations of `encode/…`, against the UTF-8 of `targets`."""
    inputs = {name.removeprefix("encode/"): array for name, array in arrays.items() if name.startswith("encode/")}
    found = yield from codec.translate({name: inputs[name] for name in ("tokens", "length")})
    references = [row[row >= 0].astype(np.uint8).tobytes().decode("utf-8") for row in arrays["targets"]]
    return np.array([count(one, other) for one, other in zip(found, references, strict=True)], dtype=np.float64)


def reduce(rows: np.ndarray) -> float:
    """BLEU of all rows of `count` together."""
    length, reference, *counts = rows.sum(axis=0)
    matches, totals = np.array(counts[: len(ORDERS)]), np.array(counts[len(ORDERS) :])
    if not matches.all():
        return 0.0
    brevity = min(0.0, 1 - reference / length)
    return float(100 * np.exp(brevity + np.log(matches / totals).mean()))


def count(found: str, reference: str) -> list[int]:
    """Words of the translation and of the reference; for each order, runs that match; for each order, runs at all."""
    words, right = parted(found), parted(reference)
    matches = [(_runs(words, order) & _runs(right, order)).total() for order in ORDERS]
    return [len(words), len(right), *matches, *(max(0, len(words) + 1 - order) for order in ORDERS)]


def parted(text: str) -> list[str]:
    """Words and punctuation by the rules of mteval-v13a."""
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    text = f" {text} "
    for pattern, replacement in _PARTED:
        text = pattern.sub(replacement, text)
    return text.split()


def _runs(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[start : start + order]) for start in range(len(words) + 1 - order))
