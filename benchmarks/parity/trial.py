"""One subject before the judges: its right export again and again, then every fault."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.parity.judges import Judge, seat
from benchmarks.parity.plant import faults
from benchmarks.parity.subject import Subject
from benchmarks.parity.truth import Pool

RIGHT = "right export"


@dataclass(frozen=True)
class Options:
    """`rows` of the pool, `repetitions` of every right export, faults `each` of a kind; `kinds` None are all."""

    seed: int = 0
    rows: int = 10_000
    repetitions: int = 20
    each: int = 1
    judges: tuple[str, ...] = ("ours", "torch", "polygraphy", "optimum")
    kinds: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Row:
    """One file before all judges. `passed` holds who let it pass; sizes are in floors, 0 of a right export."""

    subject: str
    kind: str
    where: str
    floors: float
    by_channel: float
    how: str
    counts: bool
    passed: dict[str, bool]
    seconds: float  # of our judgement

    def caught(self, judge: str) -> bool:
        return judge in self.passed and not self.passed[judge]


@dataclass
class Outcome:
    """All that was found of a subject; seconds of one export, and its rows."""

    subject: str
    export_seconds: float
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)


def try_subject(subject: Subject, options: Options, tell: Callable[[str], None] = print) -> Outcome:
    """The pool is drawn with `options.seed`, every judgement has a seed of its own."""
    with _quiet():
        outcome = _try(subject, options)
    tell(_sentence(outcome))
    return outcome


def _try(subject: Subject, options: Options) -> Outcome:
    started = time.perf_counter()
    outcome = Outcome(subject.name, subject.export_seconds)
    judges = seat(list(options.judges), subject)
    first = 1000 * (options.seed + 1)
    for number in range(options.repetitions):
        outcome.rows.append(_judge(subject, RIGHT, str(number), subject.model, judges, first + number))
    pool = Pool(subject, options.rows, options.seed)
    kinds = list(options.kinds) if options.kinds is not None else None
    for number, fault in enumerate(faults(subject, options.seed, options.each, kinds)):
        effect = pool.effect(fault.model)
        row = _judge(subject, fault.kind, fault.where, fault.model, judges, first + 100 + number)
        outcome.rows.append(
            Row(**{**vars(row), "floors": float(effect.floors), "by_channel": float(effect.by_channel), "how": effect.how,
                   "counts": effect.counts})
        )  # fmt: skip
    outcome.seconds = time.perf_counter() - started
    return outcome


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Faulty files make ONNX Runtime write to the process's standard error, past Python's."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _judge(subject: Subject, kind: str, where: str, model: object, judges: dict[str, Judge], seed: int) -> Row:
    passed, ours = {}, 0.0
    for name, judge in judges.items():
        started = time.perf_counter()
        passed[name] = judge(model, seed)  # type: ignore[arg-type]
        if name == "ours":
            ours = time.perf_counter() - started
    return Row(subject.name, kind, where, 0.0, 0.0, "", False, passed, ours)


def _sentence(outcome: Outcome) -> str:
    counted = [row for row in outcome.rows if row.counts]
    caught = sum(row.caught("ours") for row in counted)
    alarms = sum(row.caught("ours") for row in outcome.rows if row.kind == RIGHT)
    median = float(np.median([row.seconds for row in outcome.rows]))
    return (
        f"{outcome.subject}: {caught} of {len(counted)} caught, {alarms} false alarms, "
        f"{median:.2f} s a judgement, export {outcome.export_seconds:.2f} s, all {outcome.seconds:.0f} s"
    )
