"""Cards and ports as text: for a terminal, and plain for a pipe."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from zoo.cards.diagrams import Box, Chart, read_flowchart, read_xychart
from zoo.cards.markdown import fence
from zoo.cards.ports import HEADER, port_rows
from zoo.manifest import Manifest

MARKS = "●○▲△"
COLUMNS, ROWS = 60, 9
_MERMAID = re.compile(r"```mermaid\n(.*?)\n```", re.DOTALL)
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]*)\)")


def print_card(card: str) -> None:
    """The card with its diagrams as text, formatted on a terminal, as Markdown elsewhere."""
    text = _MERMAID.sub(lambda match: fence(_drawing(match[1]), "text"), card)
    console = Console()
    if console.is_terminal:
        console.print(Markdown(_PICTURE.sub(r"picture `\2`", text)))
    else:
        print(text, end="")


def print_ports(manifest: Manifest) -> None:
    """One table a graph; on a pipe lines are as long as they need to be."""
    wide = None if sys.stdout.isatty() else 240
    console = Console(width=wide, markup=False, highlight=False)
    console.print(Text(f"{manifest.model} v{manifest.version}: {manifest.summary}"), soft_wrap=True)
    for graph in manifest.graphs:
        table = Table(*HEADER, box=SIMPLE_HEAD, title=Text(graph.name), title_justify="left", title_style="bold")
        for row in port_rows(graph):
            table.add_row(*map(Text, row))
        console.print(table)


def _drawing(mermaid: str) -> str:
    if graphs := read_flowchart(mermaid):
        return "\n".join(line for box in graphs for line in _box(box))
    chart = read_xychart(mermaid)
    return "\n".join(_plot(chart)) if chart else mermaid


def _box(box: Box) -> Iterable[str]:
    """`x float32 [batch, 64] ─► predict ─► logits float32 [batch, 10]`, further ports on lines of their own."""
    left, right = ([f"{name} {kind}" for name, kind in ports] for ports in (box.inputs, box.outputs))
    width = max(map(len, left), default=0)
    for line in range(max(len(left), len(right))):
        before = left[line] if line < len(left) else ""
        name = box.name if line == 0 else " " * len(box.name)
        into, out = " ─► " if before else "    ", f" ─► {right[line]}" if line < len(right) else ""
        yield f"{before:{width}}{into}{name}{out}".rstrip()
    for output, entry in box.feeds:
        yield f"{box.outputs[output][0]} is {box.inputs[entry][0]} of the next call"


def _plot(chart: Chart) -> Iterable[str]:
    """Marks on a grid of characters, a legend above, the range of the axes at their ends."""
    low, high = chart.range
    legend = "   ".join(f"{MARKS[k % len(MARKS)]} {name}" for k, name in enumerate(chart.lines))
    yield f"{chart.title}   {legend}"
    grid = [[" "] * COLUMNS for _ in range(ROWS)]
    for mark, values in zip(MARKS * len(chart.lines), chart.lines.values(), strict=False):
        for column in range(COLUMNS):
            value = values[round(column * (len(values) - 1) / (COLUMNS - 1))]
            row = round((high - value) / (high - low) * (ROWS - 1))
            grid[min(max(row, 0), ROWS - 1)][column] = mark
    labels = {0: f"{high:.4g}", ROWS - 1: f"{low:.4g}"}
    width = max(map(len, labels.values()))
    for number, cells in enumerate(grid):
        yield f"{labels.get(number, ''):>{width}} ┤{''.join(cells).rstrip()}"
    first, last = f"{chart.first:g}", f"{chart.last:g}"
    yield f"{'':{width}} └{'─' * COLUMNS}"
    yield f"{'':{width}}  {first}{chart.x:^{COLUMNS - len(first) - len(last)}}{last}"
