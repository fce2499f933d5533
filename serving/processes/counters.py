"""What the workers of a service have counted, of every graph and model, those that left or died included.

A record is a JSON object: `name` and `version`, `responses`, the answers by HTTP status, and what of the two is no None:
`statistics`, the batcher's snapshot of a v2 model, and `generation`, that of a model that generates. Both are None for a
model's task endpoint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from serving.batching.stats import merge
from serving.generation.counts import add, at_rest
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
        self._past = add_up([self._past, still(_records(model))])

    def records(self, served: Iterable[ServedModel]) -> list[Record]:
        return add_up([self._past, *map(_records, (*self._leaving, *served))])


def add_up(ledgers: Iterable[Iterable[Record]]) -> list[Record]:
    """One record for each name and version out of those of several workers or times."""
    groups: dict[tuple[str, str, bool, bool], list[Record]] = {}
    for ledger in ledgers:
        for record in ledger:
            kind = (record["statistics"] is None, record["generation"] is None)
            groups.setdefault((record["name"], record["version"], *kind), []).append(record)
    return [_sum(records) for _, records in sorted(groups.items())]


def still(records: Iterable[Record]) -> list[Record]:
    """What somebody had counted who is gone now, and holds nothing."""
    return [
        record if record["generation"] is None else {**record, "generation": at_rest(record["generation"])}
        for record in records
    ]


def _records(model: ServedModel) -> list[Record]:
    graphs = [
        _record(endpoint.name, endpoint.version, endpoint.responses, statistics=endpoint.batcher.statistics.snapshot())
        for endpoint in model.first_endpoints()
    ]
    own = model.generator
    grown = [] if own is None else [_record(model.name, model.version, own.responses, generation=own.snapshot())]
    return [*graphs, _record(model.name, model.version, model.responses), *grown]


def _record(
    name: str,
    version: str,
    responses: Counter[int],
    *,
    statistics: dict[str, Any] | None = None,
    generation: dict[str, Any] | None = None,
) -> Record:
    counts = {str(status): count for status, count in sorted(responses.items())}
    return {"name": name, "version": version, "statistics": statistics, "generation": generation, "responses": counts}


def _sum(records: list[Record]) -> Record:
    statistics = [record["statistics"] for record in records if record["statistics"] is not None]
    generation = [record["generation"] for record in records if record["generation"] is not None]
    responses: Counter[str] = Counter()
    for record in records:
        responses.update(record["responses"])
    return {
        "name": records[0]["name"],
        "version": records[0]["version"],
        "statistics": merge(statistics) if statistics else None,
        "generation": add(generation) if generation else None,
        "responses": dict(responses),
    }
