"""The records of all workers in the form that Prometheus reads, one sample a model and version.

https://prometheus.io/docs/instrumenting/exposition_formats/. Counting is done by the batchers; this only words it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from serving.batching.stats import BOUNDS_S
from serving.processes.counters import Record

METRICS_TYPE = CONTENT_TYPE_LATEST
LABELS = ("model", "version")


def render_metrics(records: list[Record], served: Iterable[tuple[str, str]], workers: int) -> bytes:
    """The text of `GET /metrics`; `served` are names and versions of the models served now."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector([*_counted(records), *_present(served, workers)]))
    return generate_latest(registry)


class _Collector:
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _counted(records: list[Record]) -> Iterator[Metric]:
    responses = CounterMetricFamily("zoo_responses", "Answers over HTTP.", labels=(*LABELS, "endpoint", "status"))
    for record in records:
        endpoint = "infer" if record["statistics"] else "generate" if record["generation"] else "predict"
        for status, count in record["responses"].items():
            responses.add_metric([*_key(record), endpoint, status], count)
    yield responses
    yield from _generated([record for record in records if record["generation"] is not None])
    graphs = [record for record in records if record["statistics"] is not None]
    yield _counter(graphs, "zoo_rows", "Rows computed.", "rows")
    yield _counter(graphs, "zoo_cells", "Elements along the free axes computed, padding included.", "cells")
    yield _counter(graphs, "zoo_padded_cells", "Elements along the free axes that only filled up a batch.", "padded_cells")
    yield _outcomes(graphs)
    yield _rows_per_execution(graphs)
    yield _histogram(graphs, "zoo_queue_delay_seconds", "From arrival to the start of the execution.", "queue_delay")
    yield _histogram(graphs, "zoo_compute_seconds", "Time of one execution.", "compute_time")


def _generated(records: list[Record]) -> Iterator[Metric]:
    """Of models that generate; none where there is no such model."""
    if not records:
        return
    tokens = "Pieces of answers: tokens of a text, steps of a sampler."
    yield _counter(records, "zoo_tokens", tokens, "tokens", "generation")
    yield _counter(records, "zoo_generation_steps", "Calls of the graph that were made for them.", "calls", "generation")
    yield _counter(records, "zoo_generation_rows", "Answers that went on by those calls, together.", "rows", "generation")
    outcomes = CounterMetricFamily("zoo_generations", "Answers that ended, or found no room.", labels=(*LABELS, "outcome"))
    for record in records:
        for outcome, count in record["generation"]["outcomes"].items():
            outcomes.add_metric([*_key(record), outcome], count)
    yield outcomes
    for name, text, key in (
        ("zoo_slots_active", "Answers that are being generated.", "slots"),
        ("zoo_generations_waiting", "Answers that wait for a slot.", "waiting"),
    ):
        gauge = GaugeMetricFamily(name, text, labels=LABELS)
        for record in records:
            gauge.add_metric(_key(record), record["generation"][key])
        yield gauge
    yield _histogram(records, "zoo_first_token_seconds", "From arrival to the first piece.", "first", "generation")
    yield _histogram(records, "zoo_generation_step_seconds", "Time of one call.", "call_time", "generation")


def _present(served: Iterable[tuple[str, str]], workers: int) -> Iterator[Metric]:
    models = GaugeMetricFamily("zoo_model_ready", "Models served now.", labels=LABELS)
    for name, version in served:
        models.add_metric([name, version], 1)
    yield models
    yield GaugeMetricFamily("zoo_workers", "Worker processes that answer.", value=workers)


def _key(record: Record) -> list[str]:
    return [record["name"], record["version"]]


def _counter(records: list[Record], name: str, text: str, key: str, part: str = "statistics") -> Metric:
    family = CounterMetricFamily(name, text, labels=LABELS)
    for record in records:
        family.add_metric(_key(record), record[part][key])
    return family


def _outcomes(records: list[Record]) -> Metric:
    family = CounterMetricFamily("zoo_requests", "Requests that queued, or met a full queue.", labels=(*LABELS, "outcome"))
    for record in records:
        for outcome, total in record["statistics"]["outcomes"].items():
            family.add_metric([*_key(record), outcome], total["count"])
    return family


def _rows_per_execution(records: list[Record]) -> Metric:
    family = HistogramMetricFamily("zoo_rows_per_execution", "Rows computed together.", labels=LABELS)
    for record in records:
        batches = sorted((int(rows), total["count"]) for rows, total in record["statistics"]["batches"].items())
        largest = max((rows for rows, _ in batches), default=1)
        bounds = [2**power for power in range((largest - 1).bit_length() + 1)]
        buckets = [(str(bound), sum(count for rows, count in batches if rows <= bound)) for bound in bounds]
        total = sum(count for _, count in batches)
        family.add_metric(_key(record), [*buckets, ("+Inf", total)], sum(rows * count for rows, count in batches))
    return family


def _histogram(records: list[Record], name: str, text: str, key: str, part: str = "statistics") -> Metric:
    family = HistogramMetricFamily(name, text, labels=LABELS)
    for record in records:
        histogram: dict[str, Any] = record[part][key]
        bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
        family.add_metric(
            _key(record), list(zip(bounds, accumulate(histogram["counts"]), strict=True)), histogram["ns"] / 1e9
        )
    return family
