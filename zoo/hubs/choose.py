"""Which models of an index a user means."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zoo.errors import UnknownNameError, UsageError

Entries = dict[str, dict[str, Any]]

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


def choose(
    entries: Entries,
    words: Iterable[str] = (),
    *,
    task: str | None = None,
    family: str | None = None,
    max_size: str | None = None,
    metric: str | None = None,
    licence: str | None = None,
) -> Entries:
    """The entries that fit everything given; `words` are looked for in name, summary, task and family.

    Raises UnknownNameError for a task, family, metric or licence that no model has, UsageError for an unreadable size or
    comparison.
    """
    found = entries
    for key, value in (("task", task), ("family", family), ("licence", licence)):
        if value is not None:
            _require(key, value, {entry[key] for entry in entries.values()})
            found = {name: entry for name, entry in found.items() if entry[key] == value}
    if max_size is not None:
        limit = _bytes(max_size)
        found = {name: entry for name, entry in found.items() if entry["graph_bytes"] <= limit}
    if metric is not None:
        found = _with_metric(entries, found, metric)
    for word in words:
        found = {name: entry for name, entry in found.items() if word.lower() in _text(name, entry)}
    return found


def _with_metric(entries: Entries, found: Entries, wanted: str) -> Entries:
    parts = re.fullmatch(r"\s*([\w-]+)\s*(?:(>=|<=|>|<)\s*(-?[\d.]+(?:e-?\d+)?)\s*)?", wanted)
    if parts is None:
        raise UsageError(f"--metric {wanted!r} is not read; write a name, or name>=0.99.")
    name, sign, number = parts.groups()
    _require("metric", name, {metric for entry in entries.values() for metric in entry["metrics"]})
    having = {model: entry for model, entry in found.items() if name in entry["metrics"]}
    if sign is None:
        return having
    try:
        bound = float(number)
    except ValueError as error:
        raise UsageError(f"--metric {wanted!r} compares with no number; write for example {name}>=0.99.") from error
    return {model: entry for model, entry in having.items() if _COMPARE[sign](entry["metrics"][name], bound)}


def _bytes(text: str) -> float:
    parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgG]?i?[bB]?)\s*", text)
    unit = parts[2].lower() if parts else "?"
    unit = unit if unit in _UNITS else f"{unit}b"
    if parts is None or unit not in _UNITS:
        raise UsageError(f"The size {text!r} is not read; write for example 500kB or 2MB.")
    return float(parts[1]) * _UNITS[unit]


def _require(kind: str, name: str, known: set[str]) -> None:
    if name not in known:
        raise UnknownNameError(kind, name, known)


def _text(name: str, entry: Mapping[str, Any]) -> str:
    return f"{name} {entry['summary']} {entry['task']} {entry['family']}".lower()
