"""Counters of one batcher: counted in one process, added over several, shown in the forms that operators read.

Durations are nanoseconds. Counting is a few additions a request: cheap enough to be always on. A snapshot holds numbers
only, so that a worker can hand it to another one as JSON.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from serving.batching.batches import Execution

Snapshot = dict[str, Any]

OUTCOMES = ("success", "failed", "cancelled", "expired", "rejected")
# Upper bounds of a histogram's buckets, in seconds; one more bucket holds what is beyond the last.
BOUNDS_S = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BOUNDS_NS = tuple(int(bound * 1e9) for bound in BOUNDS_S)


@dataclass(slots=True)
class Total:
    """How often something happened, and how long it took altogether."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        self.count += 1
        self.ns += ns

    def document(self) -> dict[str, int]:
        return {"count": self.count, "ns": self.ns}


@dataclass(slots=True)
class Histogram:
    """How often something took how long: `counts[i]` times at most `BOUNDS_S[i]` and more than the bound before."""

    ns: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))

    def extend(self, times_ns: Iterable[int]) -> None:
        counts, total = self.counts, 0
        for ns in times_ns:
            total += ns
            counts[bisect_left(_BOUNDS_NS, ns)] += 1
        self.ns += total

    def document(self) -> dict[str, Any]:
        return {"ns": self.ns, "counts": list(self.counts)}


@dataclass
class Statistics:
    """Requests by outcome with the time from arrival to answer; `batches[rows in one execution]` with its compute time.

    `cells` are elements along the free axes that executions computed (rows, where the batch is the only free axis),
    `padded_cells` those of them that only fill up a batch. `cancelled` requests hung up and `expired` ones ran past
    their deadline before they were computed; `rejected` ones met a full queue.
    """

    rows: int = 0
    cells: int = 0
    padded_cells: int = 0
    last_ns: int = 0
    outcomes: dict[str, Total] = field(default_factory=lambda: {outcome: Total() for outcome in OUTCOMES})
    batches: dict[int, Total] = field(default_factory=dict)
    queue_delay: Histogram = field(default_factory=Histogram)
    compute_time: Histogram = field(default_factory=Histogram)

    def executed(self, execution: Execution) -> None:
        self.rows += execution.rows
        self.cells += execution.cells
        self.padded_cells += execution.padded_cells
        self.last_ns = time.time_ns()
        self.compute_time.extend((execution.ns,))
        total = self.batches.get(execution.rows)
        if total is None:
            total = self.batches[execution.rows] = Total()
        total.add(execution.ns)

    def snapshot(self) -> Snapshot:
        return {
            "rows": self.rows,
            "cells": self.cells,
            "padded_cells": self.padded_cells,
            "last_ns": self.last_ns,
            "outcomes": {outcome: total.document() for outcome, total in self.outcomes.items()},
            "batches": {str(rows): total.document() for rows, total in self.batches.items()},
            "queue_delay": self.queue_delay.document(),
            "compute_time": self.compute_time.document(),
        }


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The snapshot of all of them together."""
    merged = Statistics().snapshot()
    for snapshot in snapshots:
        last_ns = max(merged["last_ns"], snapshot["last_ns"])
        merged = {**_sum(merged, snapshot), "last_ns": last_ns}
    return merged


def _sum(first: Any, second: Any) -> Any:
    if isinstance(first, dict):
        return {
            key: _sum(first[key], second[key]) if key in first and key in second else first.get(key, second.get(key))
            for key in {**first, **second}
        }
    if isinstance(first, list):
        return [a + b for a, b in zip(first, second, strict=True)]
    return first + second


def statistics_entry(name: str, version: str, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of `model_stats`, in the form of the statistics extension of the Open Inference Protocol."""
    batches = sorted((int(rows), total) for rows, total in snapshot["batches"].items())
    words = {"success": "success", "failed": "fail", "cancelled": "cancel", "expired": "expire", "rejected": "reject"}
    return {
        "name": name,
        "version": version,
        "last_inference": snapshot["last_ns"] // 1_000_000,
        "inference_count": snapshot["rows"],
        "execution_count": sum(total["count"] for _, total in batches),
        "inference_stats": {
            **{words[outcome]: total for outcome, total in snapshot["outcomes"].items()},
            "queue": _total(snapshot["queue_delay"]),
            "compute_infer": _total(snapshot["compute_time"]),
        },
        "batch_stats": [{"batch_size": rows, "compute_infer": total} for rows, total in batches],
    }


def _total(histogram: Mapping[str, Any]) -> dict[str, int]:
    return {"count": sum(histogram["counts"]), "ns": histogram["ns"]}
