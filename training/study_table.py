"""The table of a study: what was published beside ours, as Markdown, as CSV and as a plot."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.cells import Cell, cells_of, noted
from training.study import Figures, Row, Rows, Study
from training.study_plot import Panel, plot
from zoo.metrics import load_metric, metric_names
from zoo.run import RUN, Run

COLUMNS = ("row", "figure", "published", "mean", "lowest", "highest", "seeds")
VALIDATION = "validation "


@dataclass(frozen=True)
class Found:
    """The cells of a study that have figures; a figure of a row is a list over its seeds."""

    study: Study
    cells: Mapping[str, list[tuple[Cell, Figures]]]
    ours: Mapping[str, Mapping[str, list[float]]]
    published: Rows


def collect(study: Study, folder: Path) -> Found:
    """What the cells below `folder` have, with what the study derives from it."""
    cells: dict[str, list[tuple[Cell, Figures]]] = {row.name: [] for row in study.rows}
    for cell in cells_of(study, folder):
        if figures := noted(cell):
            cells[cell.row.name].append((cell, figures))
    ours = {name: _by_figure([figures for _, figures in some]) for name, some in cells.items()}
    published: dict[str, dict[str, float]] = {row.name: dict(row.published) for row in study.rows}
    if study.derive:
        means = {name: {figure: statistics.mean(values) for figure, values in some.items()} for name, some in ours.items()}
        for name, derived in study.derive({name: some for name, some in means.items() if some}).items():
            ours[name] |= {figure: [value] for figure, value in derived.items()}
        for name, derived in study.derive({name: some for name, some in published.items() if some}).items():
            published[name] |= derived
    return Found(study, cells, ours, published)


def write(study: Study, name: str, folder: Path, docs: Path) -> Path:
    """Write `<name>.md`, `.csv` and `.svg` into `docs` from the cells below `folder`; the path of the Markdown."""
    found = collect(study, folder)
    docs.mkdir(parents=True, exist_ok=True)
    _write_csv(docs / f"{name}.csv", found)
    (docs / f"{name}.svg").write_text(_plot(found), encoding="utf-8")
    path = docs / f"{name}.md"
    path.write_text(_markdown(found, name), encoding="utf-8")
    return path


def number(value: float) -> str:
    """Four digits, three below 0.1; a whole number as one."""
    if value == round(value, 9) // 1:
        return f"{value:,.0f}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.4g}" if abs(value) >= 0.1 else f"{value:.3g}"


def columns(found: Found) -> list[str]:
    """The figures of the table: those that the study shows, else the published ones and then ours."""
    if found.study.shown:
        return list(found.study.shown)
    names = [figure for figures in found.published.values() for figure in figures]
    return list(dict.fromkeys([*names, *(figure for figures in found.ours.values() for figure in figures)]))


def _by_figure(cells: Sequence[Figures]) -> dict[str, list[float]]:
    names = dict.fromkeys(figure for figures in cells for figure in figures)
    return {figure: [figures[figure] for figures in cells if figure in figures] for figure in names}


def _write_csv(path: Path, found: Found) -> None:
    """A line a row and figure."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in found.study.rows:
            ours, published = found.ours[row.name], found.published[row.name]
            for figure in dict.fromkeys([*published, *ours]):
                values = ours.get(figure, [])
                spread = [statistics.mean(values), min(values), max(values)] if values else [None] * 3
                seeds = " ".join(str(cell.seed) for cell, _ in found.cells[row.name])
                numbers = ["" if value is None else f"{value:.7g}" for value in (published.get(figure), *spread)]
                writer.writerow([row.name, figure, *numbers, seeds])


def _markdown(found: Found, name: str) -> str:
    study = found.study
    parts = [
        f"# {study.title}",
        f"Published: {study.source}. {study.note}".strip(),
        _table(found),
        f"![{study.title}]({name}.svg)",
        *_judged(found),
        *_best(found),
        *_settings(study),
        study.remark,
        _made(found, name),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(found: Found) -> str:
    figures, rows = columns(found), found.study.rows
    published = [figure for figure in figures if any(figure in some for some in found.published.values())]
    in_words = ["published"] if any(row.said for row in rows) else []
    header = ["row", *in_words]
    for figure in figures:
        header += [f"published {figure}", figure] if figure in published else [figure]
    lines = [[row.name, *([row.said] if in_words else []), *_line(found, row, figures, published)] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in ([*header, "seeds"], ["---"] * (len(header) + 1), *lines))


def _line(found: Found, row: Row, figures: Sequence[str], published: Sequence[str]) -> list[str]:
    line = []
    for figure in figures:
        if figure in published:
            line.append(_published(found, row, figure))
        line.append(_spread(found.ours[row.name].get(figure, [])))
    return [*line, _seeds(row, found)]


def _published(found: Found, row: Row, figure: str) -> str:
    """As it was published; to four digits where it is derived."""
    known = found.published[row.name].get(figure)
    return "" if known is None else f"{known:.7g}" if figure in row.published else number(known)


def _spread(values: Sequence[float]) -> str:
    """The mean, and the smallest and largest of several."""
    if len(values) < 2:
        return number(values[0]) if values else ""
    return f"{number(statistics.mean(values))} ({number(min(values))} to {number(max(values))})"


def _seeds(row: Row, found: Found) -> str:
    have = " ".join(str(cell.seed) for cell, _ in found.cells[row.name])
    missing = len(row.seeds) - len(found.cells[row.name])
    return "left out" if not row.seeds else f"{have} ({missing} not run yet)".strip() if missing else have


def direction(study: Study, figure: str) -> int:
    """+1 where more of a figure is better, −1 where less is, 0 where that is not known."""
    if figure in study.better:
        return study.better[figure]
    return load_metric(figure).direction if figure.partition(":")[0] in metric_names() else 0


def _judged(found: Found) -> list[str]:
    """Which published figures our means meet or beat, and which they miss, to four digits."""
    met: list[str] = []
    missed: list[str] = []
    for row in found.study.rows:
        for figure, published in found.published[row.name].items():
            values = found.ours[row.name].get(figure)
            if sign := direction(found.study, figure) if values else 0:
                mean = statistics.mean(values or ())
                good = sign * float(f"{mean:.4g}") >= sign * float(f"{published:.4g}")
                said = f"{row.name}, {figure} ({number(mean)}, published {_published(found, row, figure)})"
                (met if good else missed).append(said)
    lines = [f"Met or beaten: {'; '.join(met) or 'none'}.", f"Missed: {'; '.join(missed) or 'none'}."]
    return ["\n".join(lines)] if met or missed else []


def _best(found: Found) -> list[str]:
    """The cell that the validation data choose."""
    every = [pair for some in found.cells.values() for pair in some]
    named = next((figure for _, figures in every for figure in figures if figure.startswith(VALIDATION)), "")
    choose = found.study.choose or named
    sign = direction(found.study, choose) or direction(found.study, choose.removeprefix(VALIDATION))
    judged = [(cell, figures) for cell, figures in every if choose in figures]
    if not sign or len(judged) < 2:
        return []
    cell, figures = max(judged, key=lambda pair: sign * pair[1][choose])
    tested = choose.removeprefix(VALIDATION)
    said = f", {tested} {number(figures[tested])} on the test split" if tested != choose and tested in figures else ""
    return [f"Best on validation data: {cell.row.name}, seed {cell.seed} ({choose} {number(figures[choose])}{said})."]


def _settings(study: Study) -> list[str]:
    lines = []
    for row in study.rows:
        if row.measure is None and row.seeds:
            model = f"`{row.model}`, " if row.model else ""
            changed = f"`{' '.join(row.assignments)}`" if row.assignments else "" if row.note else "the recipe as it is"
            lines.append(f"- {row.name}: {model}{', '.join(part for part in (row.note, changed) if part)}")
    return ["Settings:", "\n".join(lines)] if lines else []


def _made(found: Found, name: str) -> str:
    cells = [cell for some in found.cells.values() for cell, _ in some]
    hardware = dict.fromkeys(Run.read(cell.folder).hardware for cell in cells if (cell.folder / RUN).exists())
    runs = ("Figures of several seeds are their mean, with the least and the largest. The test split is scored once a run. "
            f"On {', '.join(hardware)}. ") if hardware else ""  # fmt: skip
    return f"{runs}Made by `zoo study {name}`."


def _plot(found: Found) -> str:
    figures = found.study.plotted or columns(found)
    names = [row.name for row in found.study.rows]
    panels = [
        Panel(
            figure,
            [found.ours[name].get(figure, []) for name in names],
            [found.published[name].get(figure) for name in names],
        )
        for figure in figures
    ]
    return plot(found.study.title, names, panels)
