"""Drawings of a card as Mermaid: the ports of graphs as a flowchart, figures by epoch as an XY chart.

Both are read back from their text, so that whoever shows a card needs nothing but the card.
Grammar: https://mermaid.js.org/syntax/xyChart.html and https://mermaid.js.org/syntax/flowchart.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from zoo.spec import Graph, describe

COLOURS = ("#0b8a80", "#d9702b")
_THEME = {"themeVariables": {"xyChart": {"plotColorPalette": ", ".join(COLOURS)}}, "xyChart": {"height": 280}}
_NODE = re.compile(r'g(\d+)(?:([io])(\d+))?\(?\["([^"]*)"\]\)?')
_FEED = re.compile(r"g(\d+)o(\d+) -\.-> g\d+i(\d+)")
_AXIS = re.compile(r'([xy])-axis "([^"]*)" (\S+) --> (\S+)')
_LINE = re.compile(r'line "([^"]*)" \[([^\]]*)\]')


@dataclass(frozen=True)
class Chart:
    """Lines over a common horizontal axis from `first` to `last`, in equal steps."""

    title: str
    x: str
    y: str
    first: float
    last: float
    lines: dict[str, list[float]]

    @property
    def range(self) -> tuple[float, float]:
        """Of the vertical axis: from 0 where the values come near it."""
        values = [value for line in self.lines.values() for value in line]
        low, high = min(values), max(values)
        if 0 <= low < high / 4:
            return 0.0, high
        margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
        return low - margin, high + margin


@dataclass
class Box:
    """A graph with its ports, each as a name and a type; `feeds` are pairs (output, input) of the next call's state."""

    name: str = ""
    inputs: list[tuple[str, str]] = field(default_factory=list)
    outputs: list[tuple[str, str]] = field(default_factory=list)
    feeds: list[tuple[int, int]] = field(default_factory=list)


def boxes(graphs: Sequence[Graph]) -> list[Box]:
    return [
        Box(
            name=graph.name,
            inputs=[(port.name, describe(port)) for port in graph.inputs],
            outputs=[(port.name, describe(port)) for port in graph.outputs],
            feeds=[
                (number, [other.name for other in graph.inputs].index(port.feeds))
                for number, port in enumerate(graph.outputs)
                if port.feeds is not None
            ],
        )
        for graph in graphs
    ]


def flowchart(graphs: Sequence[Box]) -> str:
    lines = ["flowchart LR"]
    for number, box in enumerate(graphs):
        graph = f'g{number}["{box.name}"]'
        ports = [(f"g{number}i{k}", port, True) for k, port in enumerate(box.inputs)]
        ports += [(f"g{number}o{k}", port, False) for k, port in enumerate(box.outputs)]
        for node, (name, kind), is_input in ports:
            text = f'{node}(["{name}<br>{kind}"])'
            lines.append(f"  {text} --> {graph}" if is_input else f"  {graph} --> {text}")
        lines += [f"  g{number}o{output} -.-> g{number}i{entry}" for output, entry in box.feeds]
    return "\n".join(lines)


def xychart(chart: Chart) -> str:
    low, high = chart.range
    lines = [
        f"%%{{init: {json.dumps(_THEME)}}}%%",
        "xychart-beta",
        f'  title "{chart.title}"',
        f'  x-axis "{chart.x}" {chart.first:g} --> {chart.last:g}',
        f'  y-axis "{chart.y}" {low:.4g} --> {high:.4g}',
    ]
    lines += [f'  line "{name}" [{", ".join(f"{v:.4g}" for v in values)}]' for name, values in chart.lines.items()]
    return "\n".join(lines)


def read_flowchart(text: str) -> list[Box] | None:
    """The graphs of a flowchart of ours; None for another text."""
    if not text.startswith("flowchart"):
        return None
    found: dict[int, Box] = {}
    for number, side, _, label in _NODE.findall(text):
        box = found.setdefault(int(number), Box())
        name, _, kind = label.partition("<br>")
        if not side:
            box.name = name
        else:
            (box.inputs if side == "i" else box.outputs).append((name, kind))
    for number, output, entry in _FEED.findall(text):
        found[int(number)].feeds.append((int(output), int(entry)))
    return [found[number] for number in sorted(found)] or None


def read_xychart(text: str) -> Chart | None:
    """The chart of a text of ours; None for another text."""
    axes = {axis: (label, low, high) for axis, label, low, high in _AXIS.findall(text)}
    lines = {name: [float(value) for value in values.split(",")] for name, values in _LINE.findall(text) if values.strip()}
    title = re.search(r'title "([^"]*)"', text)
    if "xychart" not in text or not title or set(axes) != {"x", "y"} or not lines:
        return None
    return Chart(title[1], axes["x"][0], axes["y"][0], float(axes["x"][1]), float(axes["x"][2]), lines)
