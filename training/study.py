"""Studies: a published table, run again. `training/studies/<study>.py` holds `STUDY`.

A study is rows, and a row one cell a seed (`training.cells`). A cell is a run of a recipe under the row's settings, or
whatever the row's `measure` does. The table (`training.study_table`) has the published figures beside ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path

from training.recipe import Recipe
from zoo.errors import UnknownNameError
from zoo.original import Original
from zoo.run import CHECKPOINT, EVALUATION, Run, load_arrays
from zoo.spec import Arrays

Figures = dict[str, float]
Rows = Mapping[str, Mapping[str, float]]  # the figures of each row by its name


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished run of a row, from which a study takes figures of its own."""

    folder: Path
    run: Run
    recipe: Recipe

    @cached_property
    def original(self) -> Original:
        return Original.load(self.folder / CHECKPOINT).cast("float32")

    @cached_property
    def samples(self) -> Arrays:
        """`<graph>/<port>` arrays and `targets` of the test split."""
        return load_arrays(self.folder / EVALUATION)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a table: what makes it, and what was published of it.

    It trains `model` (the study's where it names none) under `assignments` (`field=value`, `config.field=value`) after
    `change`, which may replace anything of the recipe; or, without training, `measure` gives its figures by seed.
    `published` has figures by name, `said` what was published in words, and `note` says what `assignments` do not. A row
    without seeds is left out here, and stands in the table with what was published. `name` is part of a path.
    """

    name: str
    assignments: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    published: Mapping[str, float] = field(default_factory=dict)
    said: str = ""
    note: str = ""
    model: str = ""
    change: Callable[[Recipe], Recipe] | None = None
    measure: Callable[[int], Figures] | None = None


@dataclass(frozen=True, kw_only=True)
class Study:
    """A table of one model under different settings; `source` says what was published, `note` how ours differs.

    A run has these figures: its metric on the test split by the metric's name, `validation <metric>`, `best epoch`,
    `epochs` and `seconds`; `own` adds others, by name. `derive` makes more out of the figures of the rows that have some,
    of ours (means over the seeds) and of the published ones in turn. `shown` are the columns of the table, and `plotted`
    those of the picture; where they are empty the published figures and a run's own are. `better` tells by +1 that more of
    a figure is better, by −1 that less is; without it a published figure cannot be missed (a metric's own direction is
    known). `choose` names the figure of the validation data that tells the best cell; `validation <metric>` where it is
    empty. `remark` stands below the table.
    """

    title: str
    source: str
    note: str
    rows: tuple[Row, ...]
    model: str = ""
    own: Mapping[str, Callable[[Trained], float]] = field(default_factory=dict)
    derive: Callable[[Rows], Rows] | None = None
    shown: tuple[str, ...] = ()
    plotted: tuple[str, ...] = ()
    better: Mapping[str, int] = field(default_factory=dict)
    choose: str = ""
    remark: str = ""

    def row(self, name: str) -> Row:
        """Raises UnknownNameError."""
        for row in self.rows:
            if row.name == name:
                return row
        raise UnknownNameError("row", name, [row.name for row in self.rows])


@cache
def study_modules() -> dict[str, str]:
    """Module of each study by its name, sorted."""
    paths = sorted((Path(__file__).parent / "studies").glob("*.py"))
    return {path.stem.replace("_", "-"): f"training.studies.{path.stem}" for path in paths if path.stem != "__init__"}


def load_study(name: str) -> Study:
    """Raises UnknownNameError."""
    if name not in study_modules():
        raise UnknownNameError("study", name, study_modules())
    return import_module(study_modules()[name]).STUDY
