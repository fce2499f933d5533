"""The picture of a study as SVG: a panel a figure, a line a row, ours as a point, the published figure as a ring."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

ACROSS = 3  # panels beside one another
LABEL, WIDTH, GAP = 190, 190, 30  # of the rows' names, a panel, the space after it
ROW, TOP, BOTTOM = 20, 34, 34
LOGARITHMIC = 30  # ratio of the largest to the smallest value from which a panel is logarithmic
STYLE = (
    "text{font:12px sans-serif;fill:#444}.title{font-weight:bold}.grid{stroke:#bbb;stroke-width:.5}"
    ".ours{fill:#d1643c}.range{stroke:#d1643c;stroke-width:2}.published{fill:none;stroke:#4f81ad;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#ccc}.grid{stroke:#555}}"
)


@dataclass(frozen=True)
class Panel:
    """A figure of every row: ours over the seeds, and the published one where there is one."""

    title: str
    ours: Sequence[Sequence[float]]
    published: Sequence[float | None]


class Scale:
    """Places of values across a panel, on a logarithmic axis where they span powers of ten."""

    def __init__(self, values: Sequence[float], left: float) -> None:
        finite = [value for value in values if math.isfinite(value)] or [0.0]
        self.left, self.low, self.high = left, min(finite), max(finite)
        self.log = self.low > 0 and self.high / self.low > LOGARITHMIC
        if self.high == self.low:
            self.low, self.high = self.low - 0.5, self.high + 0.5

    def place(self, value: float) -> float:
        """What is not finite stands at the right end."""
        if not math.isfinite(value):
            return self.left + WIDTH
        low, high, at = (math.log10(each) if self.log else each for each in (self.low, self.high, value))
        return self.left + (at - low) / (high - low) * WIDTH

    def ticks(self) -> tuple[float, float, float]:
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        return self.low, middle, self.high


def plot(title: str, rows: Sequence[str], panels: Sequence[Panel]) -> str:
    """An SVG document; panels without a value are left out."""
    drawn = [panel for panel in panels if any(panel.ours) or any(value is not None for value in panel.published)]
    height = TOP + ROW * len(rows) + BOTTOM
    parts: list[str] = []
    for start in range(0, len(drawn), ACROSS):
        top = height * (start // ACROSS)
        parts += [_text(0, top + TOP + ROW * place + 14, name) for place, name in enumerate(rows)]
        for column, panel in enumerate(drawn[start : start + ACROSS]):
            parts += _panel(panel, LABEL + column * (WIDTH + GAP), top, len(rows))
    width, bottom = LABEL + min(ACROSS, max(len(drawn), 1)) * (WIDTH + GAP), height * math.ceil(len(drawn) / ACROSS) + 20
    parts += _legend(bottom, published=any(value is not None for panel in drawn for value in panel.published))
    box = f'viewBox="0 0 {width} {bottom}" width="{width}" height="{bottom}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{escape(title)}">'
        f"<style>{STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _panel(panel: Panel, left: float, top: float, rows: int) -> list[str]:
    values = [value for some in panel.ours for value in some]
    scale = Scale(values + [value for value in panel.published if value is not None], left)
    bottom = top + TOP + ROW * rows
    parts = [_text(left, top + 22, panel.title, "title")]
    for value, anchor in zip(scale.ticks(), ("start", "middle", "end"), strict=True):
        x = scale.place(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top + TOP}" y2="{bottom}"/>')
        parts.append(_text(x, bottom + 14, f"{value:.3g}", anchor=anchor))
    for place, (ours, published) in enumerate(zip(panel.ours, panel.published, strict=True)):
        parts += _marks(scale, top + TOP + ROW * place + 10, ours, published)
    return parts


def _marks(scale: Scale, y: float, ours: Sequence[float], published: float | None) -> list[str]:
    parts = []
    if published is not None:
        title = f"<title>published: {published:.7g}</title>"
        parts.append(f'<circle class="published" cx="{scale.place(published):.1f}" cy="{y}" r="6">{title}</circle>')
    if ours:
        ends = f'x1="{scale.place(min(ours)):.1f}" x2="{scale.place(max(ours)):.1f}"'
        mean = statistics.mean(ours)
        parts.append(f'<line class="range" {ends} y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="ours" cx="{scale.place(mean):.1f}" cy="{y}" r="4"><title>{mean:.4g}</title></circle>')
    return parts


def _legend(bottom: float, *, published: bool) -> list[str]:
    parts = [f'<circle class="ours" cx="{LABEL + 6}" cy="{bottom - 10}" r="4"/>', _text(LABEL + 16, bottom - 6, "ours")]
    if published:
        parts.append(f'<circle class="published" cx="{LABEL + 76}" cy="{bottom - 10}" r="6"/>')
        parts.append(_text(LABEL + 88, bottom - 6, "published"))
    return parts


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
