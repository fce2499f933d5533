"""Studies: a published table, run again. `training/studies/<study>.py` holds `STUDY`.

A study trains one run a row below `runs/studies/<study>/`, resumable like any run, and writes our figures beside the
published ones to `docs/studies/<study>.md` and `.csv`. One that has nothing to train is `Measured`.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from zoo.errors import UnknownNameError
from zoo.run import Run

COLUMNS = (
    "row", "published_accuracy", "published_epochs", "accuracy", "spread", "validation", "best_epoch", "epochs", "seeds"
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One row of a table: the settings that make it, and what was published of it."""

    name: str
    assignments: tuple[str, ...]
    seeds: tuple[int, ...]
    published_accuracy: float | None
    published_epochs: int | None


@dataclass(frozen=True)
class Study:
    """A table of one model's recipe under different settings; `source` says where it was published."""

    model: str
    title: str
    source: str
    note: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Measured:
    """A table for which no run is trained: `measure` gives its lines, as text in the order of `columns`.

    `remark` stands below the table.
    """

    title: str
    source: str
    note: str
    columns: tuple[str, ...]
    measure: Callable[[], list[tuple[str, ...]]]
    remark: str


@cache
def study_modules() -> dict[str, str]:
    """Module of each study by its name, sorted."""
    paths = sorted((Path(__file__).parent / "studies").glob("*.py"))
    return {path.stem.replace("_", "-"): f"training.studies.{path.stem}" for path in paths if path.stem != "__init__"}


def load_study(name: str) -> Study | Measured:
    """Raises UnknownNameError."""
    if name not in study_modules():
        raise UnknownNameError("study", name, study_modules())
    return import_module(study_modules()[name]).STUDY


def run_study(name: str, train: Callable[[str, Row, int, Path], Run], runs: Path, docs: Path) -> Path:
    """Train every row and seed with `train(model, row, seed, folder)`, then write the table; the path of the Markdown."""
    study = load_study(name)
    if isinstance(study, Measured):
        return _write_measured(study, name, docs)
    results = []
    for row in study.rows:
        found = [train(study.model, row, seed, runs / name / row.name / str(seed)) for seed in row.seeds]
        results.append(_summary(row, found))
        _write_csv(docs / f"{name}.csv", results)
    path = docs / f"{name}.md"
    path.write_text(_markdown(study, name, results, found[-1].hardware), encoding="utf-8")
    return path


def _summary(row: Row, runs: list[Run]) -> dict[str, str]:
    """Figures of a row: test accuracy is the mean over the seeds, the others are of the run that validates best."""
    metric = runs[0].metric
    scores = [run.metrics[metric] for run in runs]
    best = max(runs, key=lambda run: run.validation[metric])
    losses = best.curves["validation_loss"]
    return {
        "row": row.name,
        "published_accuracy": "" if row.published_accuracy is None else f"{row.published_accuracy:.4f}",
        "published_epochs": "" if row.published_epochs is None else str(row.published_epochs),
        "accuracy": f"{statistics.mean(scores):.4f}",
        "spread": f"{max(scores) - min(scores):.4f}" if len(scores) > 1 else "",
        "validation": f"{best.validation[metric]:.4f}",
        "best_epoch": str(losses.index(min(losses)) + 1),
        "epochs": str(len(losses)),
        "seeds": " ".join(str(run.seed) for run in runs),
    }


def _write_csv(path: Path, results: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(results)


def _write_measured(study: Measured, name: str, docs: Path) -> Path:
    lines = study.measure()
    docs.mkdir(parents=True, exist_ok=True)
    with (docs / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([study.columns, *lines])
    path = docs / f"{name}.md"
    path.write_text(
        f"# {study.title}\n\nPublished: {study.source}. {study.note}\n\n{_table(study.columns, lines)}\n\n{study.remark}\n"
        f"Made by `python -m training study {name}`.\n",
        encoding="utf-8",
    )
    return path


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *lines))


def _markdown(study: Study, name: str, results: list[dict[str, str]], hardware: str) -> str:
    header = [column.replace("_", " ") for column in COLUMNS]
    table = _table(header, [[result[column] for column in COLUMNS] for result in results])
    settings = "\n".join(f"- {row.name}: `{' '.join(row.assignments) or 'the recipe as it is'}`" for row in study.rows)
    return (
        f"# {study.title}\n\nPublished: {study.source}. {study.note}\n\n{table}\n\nSettings:\n\n{settings}\n\n"
        f"Accuracy is the mean over the seeds on the test split, scored once a run. On {hardware}. "
        f"Made by `python -m training study {name}`.\n"
    )
