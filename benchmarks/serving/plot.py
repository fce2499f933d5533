"""The picture of the study: requests per second and p99 of every server, on logarithmic scales, as SVG."""

from __future__ import annotations

import math
import statistics
from html import escape

from benchmarks.serving.measure import CLIENTS, Found
from benchmarks.serving.servers import KINDS
from benchmarks.serving.subjects import FLOP

WIDTH, LABELS, GAP = 860, 170, 40
ROW, TOP = 22, 56
STYLE = (
    "text{font:12px sans-serif;fill:#444}.title{font-weight:bold;font-size:13px}.grid{stroke:#bbb;stroke-width:.5}"
    ".point{fill:#4f81ad}.ours{fill:#d1643c}.range{stroke:#999;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#ccc}.grid{stroke:#555}}"
)


def plot(found: Found) -> str:
    """A panel a model: points at the medians, with a line from the smallest to the largest round."""
    models = list(dict.fromkeys(cell.model for cell in found.cells))
    parts: list[str] = []
    bottom = 0.0
    for model in models:
        panel, bottom = _panel(found, model, bottom)
        parts += panel
    box = f'viewBox="0 0 {WIDTH} {bottom:.0f}" width="{WIDTH}" height="{bottom:.0f}"'
    title = "Requests per second and 99th percentile by server"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{title}">'
        f"<style>{STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _panel(found: Found, model: str, top: float) -> tuple[list[str], float]:
    cells = [cell for cell in found.cells if cell.model == model and cell.load == str(CLIENTS[-1])]
    names = [name for name in KINDS if any(cell.server == name for cell in cells)]
    width = (WIDTH - LABELS - 2 * GAP) / 2
    parts = [_text(0, top + 18, f"{model}, {FLOP[model]}, {CLIENTS[-1]} clients", "title")]
    bottom = top + TOP + ROW * len(names)
    for number, (title, field) in enumerate((("requests/s", "requests_per_s"), ("p99, ms", "p99_ms"))):
        left = LABELS + number * (width + GAP)
        values = {name: [getattr(cell, field) for cell in cells if cell.server == name] for name in names}
        parts.append(_text(left, top + 40, title))
        parts += _points(values, left, width, top + TOP, bottom)
    parts += [_text(0, top + TOP + ROW * row + 14, KINDS[name].title) for row, name in enumerate(names)]
    return parts, bottom + 40


def _points(values: dict[str, list[float]], left: float, width: float, top: float, bottom: float) -> list[str]:
    every = [value for some in values.values() for value in some if value > 0 and math.isfinite(value)]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    scale = width / max(high - low, 1)

    def place(value: float) -> float:
        if not math.isfinite(value):
            return left + width
        return left + (math.log10(max(value, 10.0**low)) - low) * scale

    parts = []
    for power in range(low, high + 1):
        x = place(10.0**power)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>')
        parts.append(_text(x, bottom + 15, f"{10.0**power:,g}", anchor="middle"))
    for row, (name, some) in enumerate(values.items()):
        y = top + ROW * row + 10
        middle, kind = statistics.median(some), "point ours" if name.startswith("ours") else "point"
        line = f'x1="{place(min(some)):.1f}" x2="{place(max(some)):.1f}" y1="{y}" y2="{y}"'
        parts.append(f'<line class="range" {line}/>')
        title = escape(f"{KINDS[name].title}: {middle:,.3g}")
        parts.append(f'<circle class="{kind}" cx="{place(middle):.1f}" cy="{y}" r="5"><title>{title}</title></circle>')
    return parts


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
