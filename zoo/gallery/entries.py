"""What the gallery's first page knows of each model."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.cards.cost import graph_bytes, latency_ms
from zoo.cards.measured import measured
from zoo.cards.proof import worst_ratio
from zoo.cards.results import interval
from zoo.hub import Artifact


@dataclass(frozen=True, kw_only=True)
class Entry:
    """`low` and `high` are the metric's 95 % interval; `latency_ms` is of one call at batch 1, None if not measured."""

    name: str
    version: int
    task: str
    family: str
    summary: str
    data: str
    licence: str
    metric: str
    value: float
    low: float | None
    high: float | None
    bytes: int
    parameters: int
    latency_ms: float | None
    ratio: float

    @property
    def figure(self) -> str:
        return f"{self.value:.4f}"

    @property
    def latency(self) -> str:
        if self.latency_ms is None:
            return "not measured"
        return f"{self.latency_ms:.3g} ms" if self.latency_ms >= 1 else f"{self.latency_ms * 1e3:.3g} µs"

    @property
    def words(self) -> str:
        """What a search looks through."""
        return f"{self.name} {self.task} {self.family} {self.summary} {self.data} {self.licence} {self.metric}".lower()


def make_entry(artifact: Artifact) -> Entry:
    manifest = artifact.manifest
    metric = manifest.training["metric"]
    low, high, _ = interval(manifest, measured(artifact, "evaluation"))
    return Entry(
        name=manifest.model,
        version=manifest.version,
        task=manifest.task,
        family=manifest.family,
        summary=manifest.summary,
        data=manifest.data["name"],
        licence=manifest.data["licence"],
        metric=metric,
        value=manifest.metrics[metric],
        low=low,
        high=high,
        bytes=graph_bytes(artifact),
        parameters=manifest.parameters,
        latency_ms=latency_ms(measured(artifact, "inference")),
        ratio=worst_ratio(artifact.certificate),
    )
