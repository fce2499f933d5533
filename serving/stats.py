"""Counters of one batcher, in the form of the statistics extension of the Open Inference Protocol.

Durations are nanoseconds, as the extension has them. Counting is a few additions a request: cheap enough to be always on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Total:
    """How often something happened, and how long it took altogether."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        self.count += 1
        self.ns += ns

    def document(self) -> dict[str, int]:
        return {"count": self.count, "ns": self.ns}


@dataclass
class Statistics:
    """`rows` computed, by `batches[rows in one execution]`; requests by outcome; time spent queued.

    `cancelled` requests were dropped before they were computed, `rejected` ones never entered the queue.
    """

    rows: int = 0
    last_ns: int = 0
    success: Total = field(default_factory=Total)
    fail: Total = field(default_factory=Total)
    cancelled: Total = field(default_factory=Total)
    rejected: Total = field(default_factory=Total)
    queue: Total = field(default_factory=Total)
    batches: dict[int, Total] = field(default_factory=dict)

    def executed(self, rows: int, ns: int) -> None:
        self.rows += rows
        self.last_ns = time.time_ns()
        self.batches.setdefault(rows, Total()).add(ns)

    @property
    def compute(self) -> Total:
        totals = self.batches.values()
        return Total(sum(total.count for total in totals), sum(total.ns for total in totals))

    def document(self, name: str, version: str) -> dict[str, Any]:
        """One entry of `model_stats`."""
        outcomes = {"success": self.success, "fail": self.fail, "cancel": self.cancelled, "reject": self.rejected}
        times = {"queue": self.queue, "compute_infer": self.compute}
        return {
            "name": name,
            "version": version,
            "last_inference": self.last_ns // 1_000_000,
            "inference_count": self.rows,
            "execution_count": self.compute.count,
            "inference_stats": {key: total.document() for key, total in (outcomes | times).items()},
            "batch_stats": [
                {"batch_size": size, "compute_infer": total.document()} for size, total in sorted(self.batches.items())
            ],
        }
