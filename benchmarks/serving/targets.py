"""What was promised, beside what was found in the same run."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.serving.measure import CLIENTS, Cell, Found
from benchmarks.serving.own import Own
from benchmarks.serving.servers import KINDS
from benchmarks.serving.subjects import FLOP, MIDDLE

MOST = str(CLIENTS[-1])
FASTER = {"torchserve": 1.5, "pytriton": 3.0, "mlserver": 6.0, "litserve": 10.0, "bentoml": 10.0}


@dataclass(frozen=True)
class Verdict:
    """`values` are those of the rounds, `figure` the one that counts; `least` tells a lower limit from an upper one."""

    what: str
    limit: float
    least: bool
    figure: float
    values: tuple[float, ...]
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.figure >= self.limit if self.least else self.figure <= self.limit


def verdicts(found: Found, own: Own | None) -> list[Verdict]:
    """One a target that the run can decide."""
    models = dict.fromkeys(cell.model for cell in found.cells)
    decided: list[Verdict | None] = []
    for model in models:
        where = f"{model}, {FLOP[model]}"
        rate = f"requests/s against {{}} ({where})"
        decided.append(_ratio(found, model, "ours", "floor", _rate, rate.format("the floor"), 0.75, True))
        decided.append(_ratio(found, model, "ours", "floor", _p99, f"p99 against the floor ({where})", 1.5, False))
        for name, limit in FASTER.items():
            decided.append(_ratio(found, model, "ours", name, _rate, rate.format(KINDS[name].title), limit, True))
    decided.append(_ratio(found, MIDDLE, "ours-2", "ours", _rate, f"2 workers against 1 ({MIDDLE})", 1.7, True))
    return [verdict for verdict in decided if verdict is not None] + (_own(own) if own else [])


def _own(own: Own) -> list[Verdict]:
    megabytes = tuple(value / 1e6 for value in own.small_bytes)
    return [
        Verdict("start to ready, one model", 2.5, False, statistics.median(own.one_s), tuple(own.one_s), " s"),
        Verdict("start to ready, each further small model", 0.25, False, own.further_s, (), " s"),
        Verdict("memory, one small model", 300, False, statistics.median(megabytes), megabytes, " MB"),
        Verdict("memory above that for a large one, in times its weights", 3, False, own.large_times, ()),
    ]


def _ratio(
    found: Found, model: str, ours: str, other: str, of: Callable[[Cell], float], what: str, limit: float, least: bool
) -> Verdict | None:
    """Round by round, then the median; None where either was not measured."""
    first, second = _by_round(found, model, ours, of), _by_round(found, model, other, of)
    ratios = tuple(first[number] / second[number] for number in sorted(first.keys() & second.keys()))
    return Verdict(what, limit, least, statistics.median(ratios), ratios) if ratios else None


def _by_round(found: Found, model: str, server: str, of: Callable[[Cell], float]) -> dict[int, float]:
    chosen = [cell for cell in found.cells if (cell.model, cell.server, cell.load) == (model, server, MOST)]
    return {cell.round: of(cell) for cell in chosen if of(cell) > 0}


def _rate(cell: Cell) -> float:
    return cell.requests_per_s


def _p99(cell: Cell) -> float:
    return cell.p99_ms
