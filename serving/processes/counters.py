"""What the workers of a service have counted, of every graph and model, those that left or died included.

A record is a JSON object: `name` and `version` of a v2 model (`statistics` is its batcher's snapshot) or of a model's task
endpoint (`statistics` is None), and `responses`, the answers by HTTP status.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from serving.batching.stats import merge
from serving.served import ServedModel

Record = dict[str, Any]


class Ledger:
    """The records of one worker, of models that it serves no more as well: counters never go back."""

    def __init__(self) -> None:
        self._leaving: list[ServedModel] = []
        self._past: list[Record] = []

    def leaving(self, model: ServedModel) -> None:
        """The model is served no more, but what it took is still being answered."""
        self._leaving.append(model)

    def left(self, model: ServedModel) -> None:
        self._leaving.remove(model)
        self._past = add_up([self._past, _records(model)])

    def records(self, served: Iterable[ServedModel]) -> list[Record]:
        return add_up([self._past, *map(_records, (*self._leaving, *served))])


def add_up(ledgers: Iterable[Iterable[Record]]) -> list[Record]:
    """One record for each name and version out of those of several workers or times."""
    groups: dict[tuple[str, str, bool], list[Record]] = {}
    for ledger in ledgers:
        for record in ledger:
            groups.setdefault((record["name"], record["version"], record["statistics"] is None), []).append(record)
    return [_sum(records) for _, records in sorted(groups.items())]


def _records(model: ServedModel) -> list[Record]:
    graphs = [
        _record(endpoint.name, endpoint.version, endpoint.batcher.statistics.snapshot(), endpoint.responses)
        for endpoint in model.first_endpoints()
    ]
    return [*graphs, _record(model.name, model.version, None, model.responses)]


def _record(name: str, version: str, statistics: dict[str, Any] | None, responses: Counter[int]) -> Record:
    counts = {str(status): count for status, count in sorted(responses.items())}
    return {"name": name, "version": version, "statistics": statistics, "responses": counts}


def _sum(records: list[Record]) -> Record:
    statistics = [record["statistics"] for record in records if record["statistics"] is not None]
    responses: Counter[str] = Counter()
    for record in records:
        responses.update(record["responses"])
    first = records[0]
    merged = merge(statistics) if statistics else None
    return {"name": first["name"], "version": first["version"], "statistics": merged, "responses": dict(responses)}
