"""Drawings of a report: SVG plots with text labels on a logarithmic scale, and inputs as PNG pictures.

The SVG is made to stand inside an HTML page, whose style sheet gives its classes their colours.
"""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image

from export.compare import FACTOR, OutputRecord

WIDTH = 360  # of a plot, in its own units
LEFT, RIGHT = 20, WIDTH - 20  # lanes of zero, and of what is not finite
INNER_LEFT, INNER_RIGHT = 44, WIDTH - 44
ROW = 40  # height of one output in a strip plot
MAX_ROWS = 24  # outputs in a strip plot; those nearest to their bound come first
MAX_BINS = 9
BAR = 120  # height of the tallest bar
MIN_SIDE = 8  # of a picture that is worth showing
THUMBNAIL = 96  # longest side of an embedded picture


@dataclass(frozen=True)
class LogAxis:
    """Places of numbers between two powers of ten; zero has a lane before them, what is not finite one after them."""

    low: int
    high: int

    def place(self, value: float) -> float:
        if value <= 0:
            return LEFT
        if not math.isfinite(value):
            return RIGHT
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return INNER_LEFT + min(max(share, 0.0), 1.0) * (INNER_RIGHT - INNER_LEFT)

    def ticks(self) -> range:
        """Exponents that are labelled, seven at most."""
        return range(self.low, self.high + 1, math.ceil((self.high - self.low + 1) / 7))


def share_of_bound(record: OutputRecord, error: float) -> float:
    """How much of the bound an error takes: 1 is all of it, infinity where there is no bound."""
    if error == 0:
        return 0.0
    return error / record.bound if record.bound else math.inf


def nearest_first(records: Sequence[OutputRecord]) -> list[OutputRecord]:
    """Failed outputs first, then those nearest to their bound."""
    return sorted(records, key=lambda record: (record.passed, -_finite_or_huge(share_of_bound(record, record.error))))


def strip_plot(records: Sequence[OutputRecord]) -> str:
    """Every case's error in floors, a row for each output and kind, with lines at the floor and at the bound.

    '' where no float output was compared.
    """
    drawn = nearest_first([record for record in records if record.errors])
    if not drawn:
        return ""
    shown, left_out = drawn[:MAX_ROWS], len(drawn) - MAX_ROWS
    axis = _floor_axis(shown)
    bottom = 30 + ROW * len(shown)
    parts = [*_limits(axis, bottom), *_ticks(axis, bottom)]
    for number, record in enumerate(shown):
        parts += _strip(record, axis, 30 + ROW * number)
    parts.append(_text(WIDTH / 2, bottom + 40, "error of each case, in floors of its output", "middle"))
    if left_out > 0:
        parts.append(_text(WIDTH / 2, bottom + 58, f"{left_out} more outputs, all further from their bound", "middle"))
    return _svg("Error against floor", bottom + (66 if left_out > 0 else 48), parts)


def ratio_histogram(records: Sequence[OutputRecord]) -> str:
    """How many cases take which share of their bound, in bins of powers of two; '' where there is no case."""
    ratios = [share_of_bound(record, error) for record in records for _, error in record.errors]
    if not ratios:
        return ""
    bins = _bins(ratios)
    tallest, width = max(count for _, count, _ in bins), (WIDTH - 40) / len(bins)
    parts: list[str] = []
    for number, (label, count, beyond) in enumerate(bins):
        height, x = BAR * count / tallest, 20 + width * number
        parts.append(_bar(x + 1, 30 + BAR - height, width - 2, height, beyond, f"{label} of the bound: {count}"))
        parts.append(_text(x + width / 2, 24 + BAR - height, str(count) if count else "", "middle"))
        parts.append(_text(x + width / 2, 46 + BAR, label, "middle"))
    if limit := sum(not beyond for _, _, beyond in bins):
        x = 20 + width * limit
        parts.append(f'<line class="bound" x1="{x:.1f}" x2="{x:.1f}" y1="12" y2="{30 + BAR}"/>')
    parts.append(_text(WIDTH / 2, 70 + BAR, "largest share of the bound; 1 and less passes", "middle"))
    return _svg("Cases by error as a share of the bound", BAR + 78, parts)


def pictures(array: np.ndarray, limit: int) -> list[str]:
    """The first `limit` rows of a port's array as data URLs of PNG pictures; none where rows are no pictures.

    A row is a picture when it is a flat square of values that are never negative, (1, H, W) or (3, H, W). Black and white
    are 0 and 1 where all values are between, otherwise the least and the largest value shown.
    """
    rows = _as_pictures(array[:limit]) if array.ndim >= 2 else None
    if rows is None or not rows.size:
        return []
    low, high = float(rows.min()), float(rows.max())
    low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, max(high, low + 1e-12))
    grey = np.clip((rows.astype(np.float64) - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
    return [_data_url(row) for row in grey]


def _as_pictures(array: np.ndarray) -> np.ndarray | None:
    """(rows, H, W) or (rows, H, W, 3), or None."""
    if not (array.dtype.kind == "f" or array.dtype == np.uint8) or not np.isfinite(array).all():
        return None
    shape = array.shape[1:]
    if len(shape) == 1 and (array >= 0).all():
        side = math.isqrt(shape[0])
        return array.reshape(-1, side, side) if side * side == shape[0] and side >= MIN_SIDE else None
    if len(shape) != 3 or min(shape[1:]) < MIN_SIDE or shape[0] not in (1, 3):
        return None
    return array[:, 0] if shape[0] == 1 else array.transpose(0, 2, 3, 1)


def _data_url(pixels: np.ndarray) -> str:
    picture, stream = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    picture.save(stream, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _finite_or_huge(value: float) -> float:
    return value if math.isfinite(value) else 1e300


def _floor_axis(records: Sequence[OutputRecord]) -> LogAxis:
    """From a thousandth of a floor, or the smallest error if that is larger, to beyond the bound."""
    values = [FACTOR * share_of_bound(record, error) for record in records for _, error in record.errors]
    exponents = [math.log10(value) for value in values if value > 0 and math.isfinite(value)]
    low = max(-3, math.floor(min(exponents, default=-1)))
    return LogAxis(min(low, -1), max(2, math.ceil(max(exponents, default=0))))


def _limits(axis: LogAxis, bottom: float) -> Iterator[str]:
    for value, name, kind in ((1, "floor", "floor"), (FACTOR, f"bound ({FACTOR} floors)", "bound")):
        x = axis.place(value)
        yield f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="20" y2="{bottom}"/>'
        yield _text(x, 14, name, "end" if value == 1 else "start", kind)


def _ticks(axis: LogAxis, bottom: float) -> Iterator[str]:
    yield f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{bottom}" y2="{bottom}"/>'
    yield _text(LEFT, bottom + 18, "0", "middle")
    for exponent in axis.ticks():
        yield _text(axis.place(10.0**exponent), bottom + 18, _power(exponent), "middle")
    yield _text(RIGHT, bottom + 18, "∞", "middle")


def _strip(record: OutputRecord, axis: LogAxis, top: float) -> Iterator[str]:
    """One point for each place on the axis, named after the largest error there."""
    points: dict[int, tuple[float, str]] = {}
    for label, error in sorted(record.errors, key=lambda each: _finite_or_huge(each[1])):
        points[round(axis.place(FACTOR * share_of_bound(record, error)))] = (error, label)
    yield f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{top + 28}" y2="{top + 28}"/>'
    yield _text(LEFT - 12, top + 16, _shortened(f"{record.output} · {record.kind}"), "start", "" if record.passed else "bad")
    for x, (error, label) in points.items():
        kind = "point" if error <= record.bound else "point bad"
        title = escape(f"{label}: {error:.3g}, bound {record.bound:.3g}")
        yield f'<circle class="{kind}" cx="{x}" cy="{top + 28}" r="4"><title>{title}</title></circle>'


def _bins(ratios: Sequence[float]) -> list[tuple[str, int, bool]]:
    """Label, count and whether it is beyond the bound, of zero, of each power of two, and of what is not finite."""
    finite = [ratio for ratio in ratios if ratio > 0 and math.isfinite(ratio)]
    powers = [math.ceil(math.log2(ratio)) for ratio in finite]
    low, high = max(-9, min(powers, default=0)), max(0, *powers, 0)
    step = math.ceil((high - low + 1) / MAX_BINS)
    counts = Counter(step * math.ceil(max(power, low) / step) for power in powers)
    first, last = step * math.ceil(low / step), step * math.ceil(high / step)
    bins = [("0", sum(ratio == 0 for ratio in ratios), False)] if 0 in ratios else []
    bins += [(_share(power), counts[power], power > 0) for power in range(first, last + 1, step)]
    endless = len(ratios) - len(finite) - sum(ratio == 0 for ratio in ratios)
    return [*bins, ("∞", endless, True)] if endless else bins


def _share(power: int) -> str:
    if power >= 10:
        return f"2{_superscript(power)}"
    return str(2**power) if power >= 0 else f"1/{2**-power}"


def _power(exponent: int) -> str:
    return {-1: "0.1", 0: "1", 1: "10", 2: "100"}.get(exponent, f"10{_superscript(exponent)}")


def _superscript(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _shortened(text: str, length: int = 44) -> str:
    return text if len(text) <= length else f"{text[: length // 2 - 1]}…{text[-length // 2 :]}"


def _bar(x: float, y: float, width: float, height: float, beyond: bool, title: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="bar{" bad" if beyond else ""}" {place}><title>{escape(title)}</title></rect>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    box = f'viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}"'
    return f"<figure><figcaption>{escape(title)}</figcaption><svg {box}>{''.join(parts)}</svg></figure>"
