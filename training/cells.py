"""Cells of a study: a row and a seed each, in a folder of their own, `runs/studies/<study>/<row>/<seed>/`.

A cell that trains is a run folder, resumable like any. `figures.json` holds what was measured of a cell; a cell that has
all its figures is done, and is not run again; delete that file to have them taken again, the folder to have it run again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.recipe import Recipe
from training.study import Figures, Row, Study, Trained
from zoo.errors import UsageError
from zoo.manifest import read_json, write_json
from zoo.metrics import load_metric
from zoo.run import RUN, Run

FIGURES = "figures.json"
Train = Callable[[str, Recipe, int, Path], Run]
RecipeOf = Callable[[str], Recipe]


@dataclass(frozen=True)
class Cell:
    row: Row
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.row.name}:{self.seed}"


def cells_of(study: Study, folder: Path) -> list[Cell]:
    """Every cell in the order of the rows; `folder` is the study's."""
    return [Cell(row, seed, folder / row.name / str(seed)) for row in study.rows for seed in row.seeds]


def chosen(study: Study, names: Sequence[str], folder: Path) -> list[Cell]:
    """The cells that `ROW` or `ROW:SEED` name. Raises UnknownNameError, and UsageError for a seed that a row has not."""
    found = []
    for name in names:
        row, _, seed = name.partition(":")
        seeds = study.row(row).seeds
        if seed and seed not in map(str, seeds):
            raise UsageError(f"Row {row} has no seed {seed!r}; its seeds are {', '.join(map(str, seeds)) or 'none'}.")
        found += [cell for cell in cells_of(study, folder) if cell.row.name == row and seed in ("", str(cell.seed))]
    return found


def state(study: Study, cell: Cell) -> str:
    """`done`, `open`, or how far an interrupted training came."""
    if _measured(study, cell):
        return "done"
    if (cell.folder / RUN).exists():
        return "trained"
    reached = sorted((cell.folder / "state").glob("epoch-*"))
    return f"begun, epoch {int(reached[-1].name.removeprefix('epoch-'))}" if reached else "open"


def obtain(study: Study, cell: Cell, train: Train, recipe_of: RecipeOf) -> None:
    """Run what is left to run of a cell, and note its figures. Raises UsageError for a run under other settings."""
    if _measured(study, cell):
        return
    if cell.row.measure is not None:
        cell.folder.mkdir(parents=True, exist_ok=True)
        _note(cell, cell.row.measure(cell.seed))
        return
    model = cell.row.model or study.model
    recipe = recipe_for(cell.row, recipe_of(model))
    if not (cell.folder / RUN).exists():
        train(model, recipe, cell.seed, cell.folder)
    run = Run.read(cell.folder)
    _same_settings(cell, recipe, run)
    known = noted(cell)
    trained = Trained(folder=cell.folder, run=run, recipe=recipe)
    own = {name: known[name] if name in known else figure(trained) for name, figure in study.own.items()}
    _note(cell, {**figures_of(run), **own})


def recipe_for(row: Row, recipe: Recipe) -> Recipe:
    return (row.change(recipe) if row.change else recipe).override(list(row.assignments))


def figures_of(run: Run) -> Figures:
    """The figures that every run has; those of epochs where it has curves."""
    metric = run.metric
    figures = {**run.metrics, f"validation {metric}": run.validation[metric]}
    if losses := run.curves.get("validation_loss", []):
        figures |= {"best epoch": _best_epoch(run, losses), "epochs": len(losses)}
    return {**figures, "seconds": run.duration_s}


def noted(cell: Cell) -> Figures:
    """What was measured of a cell so far."""
    path = cell.folder / FIGURES
    return read_json(path) if path.exists() else {}


def _measured(study: Study, cell: Cell) -> bool:
    """Whether a cell has all its figures."""
    known = noted(cell)
    return bool(known) and set(study.own) <= set(known)


def _note(cell: Cell, figures: Mapping[str, float]) -> None:
    write_json(cell.folder / FIGURES, {name: float(value) for name, value in figures.items()})


def _best_epoch(run: Run, losses: list[float]) -> int:
    """The epoch whose weights were kept, counted from 1."""
    keep = run.settings.get("keep", "loss")
    if keep == "last":
        return len(losses)
    sign = load_metric(run.metric).direction
    metrics = [None if value is None else -sign * value for value in run.curves["validation_metric"]]
    values = [(value, epoch) for epoch, value in enumerate(metrics if keep == "metric" else losses, 1) if value is not None]
    return min(values)[1]


def _same_settings(cell: Cell, recipe: Recipe, run: Run) -> None:
    """Settings that were not there yet when the run was made are not compared."""
    wanted: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe.settings)))
    for name, value in run.settings.items():
        if name in wanted and value != wanted[name]:
            raise UsageError(
                f"{cell.folder} was trained with {name} {value!r}, and the row has {wanted[name]!r}; delete the folder to "
                "train it again."
            )
