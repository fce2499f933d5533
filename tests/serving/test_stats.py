"""Counters: added over workers, and in the form of Triton's statistics."""

from __future__ import annotations

import json

from serving.batching.batches import Execution
from serving.batching.stats import BOUNDS_S, Statistics, merge, statistics_entry


def counted(rows: int, last_ns: int) -> Statistics:
    statistics = Statistics()
    statistics.executed(Execution(rows, rows * 10, 4, 2_000_000))
    statistics.executed(Execution(1, 10, 0, 100_000))
    statistics.last_ns = last_ns
    statistics.outcomes["success"].add(3_000_000)
    statistics.outcomes["expired"].add(7)
    statistics.queue_delay.extend([20_000_000_000])
    return statistics


def test_a_snapshot_is_json_and_merging_adds() -> None:
    first, second = (json.loads(json.dumps(counted(*of).snapshot())) for of in ((3, 500), (2, 400)))
    merged = merge([first, second])
    assert (merged["rows"], merged["cells"], merged["padded_cells"], merged["last_ns"]) == (7, 70, 8, 500)
    assert merged["outcomes"]["success"] == {"count": 2, "ns": 6_000_000}
    assert merged["outcomes"]["rejected"] == {"count": 0, "ns": 0}
    assert merged["batches"] == {
        "1": {"count": 2, "ns": 200_000},
        "2": {"count": 1, "ns": 2_000_000},
        "3": {"count": 1, "ns": 2_000_000},
    }
    assert merge([]) == Statistics().snapshot()


def test_buckets_hold_what_their_bound_allows() -> None:
    times = merge([counted(3, 0).snapshot()])
    assert times["compute_time"]["counts"][BOUNDS_S.index(1e-4)] == 1  # a bound belongs to its bucket
    assert times["compute_time"]["counts"][BOUNDS_S.index(2.5e-3)] == 1
    assert times["queue_delay"]["counts"] == [0] * len(BOUNDS_S) + [1]
    assert times["compute_time"]["ns"] == 2_100_000


def test_the_entry_of_the_statistics_extension() -> None:
    entry = statistics_entry("net", "2", counted(3, 1_700_000_000_123_456_789).snapshot())
    assert entry == {
        "name": "net",
        "version": "2",
        "last_inference": 1_700_000_000_123,
        "inference_count": 4,
        "execution_count": 2,
        "inference_stats": {
            "success": {"count": 1, "ns": 3_000_000},
            "fail": {"count": 0, "ns": 0},
            "cancel": {"count": 0, "ns": 0},
            "expire": {"count": 1, "ns": 7},
            "reject": {"count": 0, "ns": 0},
            "queue": {"count": 1, "ns": 20_000_000_000},
            "compute_infer": {"count": 2, "ns": 2_100_000},
        },
        "batch_stats": [
            {"batch_size": 1, "compute_infer": {"count": 1, "ns": 100_000}},
            {"batch_size": 3, "compute_infer": {"count": 1, "ns": 2_000_000}},
        ],
    }
