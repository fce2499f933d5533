"""Sections of a card on where the weights come from: data, command, settings, curves."""

from __future__ import annotations

import math
from typing import Any

from zoo.cards.diagrams import Chart, xychart
from zoo.cards.markdown import fence, table, with_links
from zoo.manifest import Manifest


def data(manifest: Manifest) -> str:
    found = manifest.data
    rows = [(split, f"{found['rows'][split]:,}") for split in ("train", "validation", "test") if split in found["rows"]]
    note = f" {found['note']}" if found.get("note") else ""
    text = with_links(f"{found['name']}, from {found['source']} . Licence: {found['licence']}.{note}").replace(" . ", ". ")
    return f"{text}\n\n{table(('split', 'rows'), rows)}"


def training(manifest: Manifest) -> str:
    found = manifest.training
    epochs = len(found["curves"].get("epoch", []))
    length = f"{epochs} epochs, " if epochs else ""
    versions = ", ".join(f"{name} {number}" for name, number in sorted(found.get("versions", {}).items()))
    how = f"{length}{_duration(found['duration_s'])} on {found['hardware']}; seed {found['seed']}; {versions}."
    parts = [fence(found["command"], "sh"), how, *(fence(xychart(chart), "mermaid") for chart in curves(manifest))]
    settings = _settings(found["settings"])
    return "\n\n".join([*parts, f"Settings: {settings}."] if settings else parts)


def curves(manifest: Manifest) -> list[Chart]:
    """Loss and validation metric by epoch; none of a model that is fitted in one step.

    Not every epoch need have a metric.
    """
    found, metric = manifest.training["curves"], manifest.training["metric"]
    epochs = found.get("epoch", [])
    if len(epochs) < 2:
        return []
    losses = {name: found[f"{name}_loss"] for name in ("train", "validation") if found.get(f"{name}_loss")}
    judged = [
        (epoch, value) for epoch, value in zip(epochs, found.get("validation_metric", []), strict=False) if value is not None
    ]
    scores = {"validation": [value for _, value in judged]} if len(judged) > 1 else {}
    charts = (
        ("Loss by epoch", "loss", epochs, losses),
        (f"Validation {metric} by epoch", metric, [e for e, _ in judged], scores),
    )
    return [
        Chart(title, "epoch", y, x[0], x[-1], lines)
        for title, y, x, lines in charts
        if lines and all(math.isfinite(value) for values in lines.values() for value in values)
    ]


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"


def _settings(settings: dict[str, Any]) -> str:
    """Those that say something: zeros switch a thing off."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items() if value not in (0, "", None))
