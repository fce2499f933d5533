"""Counters of one graph's generations: counted in one process, added over several, as those of `serving.batching.stats`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from serving.batching.stats import Histogram

Snapshot = dict[str, Any]

OUTCOMES = ("success", "failed", "cancelled", "rejected")


@dataclass
class Counts:
    """`tokens` are pieces that were given to clients, `rows` what the calls of the graph had together.

    `slots` are held and `waiting` generations wait for one at this moment. `cancelled` ones lost their client or ran out of
    time, `rejected` ones met a full queue. `first` is the time from the request to the first piece.
    """

    tokens: int = 0
    calls: int = 0
    rows: int = 0
    slots: int = 0
    waiting: int = 0
    outcomes: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(OUTCOMES, 0)))
    first: Histogram = field(default_factory=Histogram)
    call_time: Histogram = field(default_factory=Histogram)

    def computed(self, rows: int, ns: int) -> None:
        self.calls += 1
        self.rows += rows
        self.call_time.extend((ns,))

    def snapshot(self) -> Snapshot:
        return {
            "tokens": self.tokens,
            "calls": self.calls,
            "rows": self.rows,
            "slots": self.slots,
            "waiting": self.waiting,
            "outcomes": dict(self.outcomes),
            "first": self.first.document(),
            "call_time": self.call_time.document(),
        }


def at_rest(snapshot: Snapshot) -> Snapshot:
    """What a process had counted, once it is gone and holds nothing."""
    return {**snapshot, "slots": 0, "waiting": 0}


def add(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The snapshot of all of them together."""
    total = Counts().snapshot()
    for snapshot in snapshots:
        total = _sum(total, snapshot)
    return total


def _sum(first: Any, second: Any) -> Any:
    if isinstance(first, dict):
        return {key: _sum(first[key], second[key]) for key in first}
    if isinstance(first, list):
        return [a + b for a, b in zip(first, second, strict=True)]
    return first + second
