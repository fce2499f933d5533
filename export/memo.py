"""Answers that were computed before: one proof asks a reference for the same call several times, other opsets ask again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from zoo.spec import Arrays, Graph

MAX_BYTES = 256_000_000


class Memo:
    """The last answers, by what was asked of which graph on which inputs; the oldest are dropped beyond `max_bytes`."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._answers: OrderedDict[bytes, tuple[Any, int]] = OrderedDict()

    def get(self, what: str, graph: Graph, inputs: Arrays, compute: Callable[[], Any]) -> Any:
        """`compute()`, or what it gave before: arrays by name, or a list of pairs of such."""
        key = _key(what, graph, inputs)
        if key in self._answers:
            self._answers.move_to_end(key)
            return self._answers[key][0]
        answer = compute()
        size = _num_bytes(answer)
        if size <= self._max_bytes:
            self._answers[key], self._bytes = (answer, size), self._bytes + size
        while self._bytes > self._max_bytes:
            self._bytes -= self._answers.popitem(last=False)[1][1]
        return answer


def _key(what: str, graph: Graph, inputs: Arrays) -> bytes:
    digest = hashlib.sha256(repr((what, graph.name, graph.methods)).encode())
    for name, array in inputs.items():
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(array.tobytes())
    return digest.digest()


def _num_bytes(answer: Any) -> int:
    """Bytes of the arrays in an answer; pairs may hold one array several times."""
    return sum({id(array): int(array.nbytes) for array in _arrays(answer)}.values())


def _arrays(answer: Any) -> Iterator[Any]:
    if hasattr(answer, "nbytes"):
        yield answer
    else:
        for part in answer.values() if isinstance(answer, dict) else answer:
            yield from _arrays(part)
