"""Charts as SVG that takes its colours from the page: figures by epoch, and the metric against latency."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from zoo.cards.diagrams import Chart
from zoo.gallery.axes import Axis, around
from zoo.gallery.entries import Entry

LINES = (640, 250)
SCATTER = (760, 380)
TEXT_WIDTH, TEXT_HEIGHT = 7.0, 15.0  # of a letter of a label
DOT = 6


def line_chart(chart: Chart) -> str:
    width, height = LINES
    low, high = chart.range
    x, y = Axis(chart.first, chart.last, 58, width - 12), Axis(low, high, height - 42, 14)
    parts = [_grid(x, y, chart.x, chart.y, width, height)]
    for number, values in enumerate(chart.lines.values()):
        step = (chart.last - chart.first) / max(len(values) - 1, 1)
        points = " ".join(f"{x(chart.first + k * step):.1f},{y(value):.1f}" for k, value in enumerate(values))
        parts.append(f'<polyline class="line series-{number}" points="{points}"/>')
    keys = "".join(f'<li class="series-{number}">{escape(name)}</li>' for number, name in enumerate(chart.lines))
    legend = f'<ul class="legend">{keys}</ul>' if len(chart.lines) > 1 else ""
    caption = f"<figcaption>{escape(chart.title)}{legend}</figcaption>"
    return f'<figure class="chart">{caption}{_svg(width, height, chart.title, parts)}</figure>'


def scatter(entries: Sequence[Entry], metric: str) -> str:
    """Metric against latency, a dot with its interval for each model, in the colour of its data set; links to the cards."""
    width, height = SCATTER
    shown = [entry for entry in entries if entry.metric == metric and entry.latency_ms is not None]
    times = [entry.latency_ms for entry in shown if entry.latency_ms is not None]
    values = [value for entry in shown for value in (entry.value, entry.low, entry.high) if value is not None]
    x = Axis(min(times) / 1.6, max(times) * 2.2, 62, width - 14, log=True)
    y = Axis(*around(values), height - 44, 14)
    data = sorted({entry.data for entry in shown})
    places = [(x(time), y(entry.value)) for time, entry in zip(times, shown, strict=True)]
    labels = _labels([entry.name for entry in shown], places, width)
    parts = [_grid(x, y, "latency of one row, ms", metric, width, height)]
    parts += [_dot(*each, y, data) for each in zip(shown, places, labels, strict=True)]
    keys = "".join(f'<li class="series-{number}">{escape(name)}</li>' for number, name in enumerate(data))
    title = f"{metric} on the test split against latency"
    return f'<figure class="chart">{_svg(width, height, title, parts)}<ul class="legend">{keys}</ul></figure>'


def _dot(entry: Entry, place: tuple[float, float], label: tuple[float, float, str], y: Axis, data: Sequence[str]) -> str:
    (cx, cy), (left, base, anchor) = place, label
    between = ""
    if entry.low is not None and entry.high is not None:
        between = f'<line class="between" x1="{cx:.1f}" x2="{cx:.1f}" y1="{y(entry.low):.1f}" y2="{y(entry.high):.1f}"/>'
    title = f"{entry.name}: {entry.metric} {entry.figure}, {entry.latency}"
    return (
        f'<a class="dot series-{data.index(entry.data)}" href="models/{escape(entry.name)}.html" '
        f'data-model="{escape(entry.name)}"><title>{escape(title)}</title>{between}'
        f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="{DOT}"/>'
        f'<text x="{left:.1f}" y="{base:.1f}" text-anchor="{anchor}">{escape(entry.name)}</text></a>'
    )


def _labels(names: Sequence[str], places: Sequence[tuple[float, float]], width: float) -> list[tuple[float, float, str]]:
    """Where each label goes: the first of six places that covers no dot and no other label."""
    taken = [(cx - DOT, cy - DOT, cx + DOT, cy + DOT) for cx, cy in places]
    found = []
    for name, (cx, cy) in zip(names, places, strict=True):
        length = len(name) * TEXT_WIDTH
        offers = [(cx + 11, cy + dy, "start") for dy in (5, 20, -10)] + [(cx - 11, cy + dy, "end") for dy in (5, 20, -10)]
        boxes = [
            (left - (length if anchor == "end" else 0), base - 12, left + (0 if anchor == "end" else length), base + 3)
            for left, base, anchor in offers
        ]
        free = [
            k for k, box in enumerate(boxes) if box[0] >= 62 and box[2] <= width and not any(_meet(box, o) for o in taken)
        ]
        best = free[0] if free else 0
        taken.append(boxes[best])
        found.append(offers[best])
    return found


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _grid(x: Axis, y: Axis, x_label: str, y_label: str, width: float, height: float) -> str:
    """Lines at the ticks, their numbers, and what the axes are."""
    parts = []
    for value in y.ticks():
        parts.append(f'<line class="grid" x1="{x.start}" x2="{x.end}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text x="{x.start - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in x.ticks():
        parts.append(f'<line class="tick" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{y.start}" y2="{y.start + 5}"/>')
        parts.append(f'<text x="{x(value):.1f}" y="{y.start + 19}" text-anchor="middle">{value:g}</text>')
    middle = (y.start + y.end) / 2
    parts.append(f'<text x="{(x.start + x.end) / 2:.1f}" y="{height - 5}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(f'<text transform="translate(13 {middle:.1f}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>')
    return "".join(parts)


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
