"""The rule: how close an output must come to its reference, with no tolerance picked by hand.

The floor of an output is the largest |ref32 − ref64| over all rows of one kind of input, and at least one float32 ulp of
the largest |ref64| or of the end of the output's declared range: what float32 arithmetic costs the original itself. Every
case of that kind passes when max |onnx − ref64| ≤ FACTOR · floor. NaN fails unless the reference has it too, equal
infinities are equal, labels may differ only where the reference's own margin is below the bound, and comparing nothing is
an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from export.channels import MAX_FLOAT32, Channels
from export.entries import Judged
from zoo.errors import ParityError

FACTOR = 8
TIE_SHARE = 0.001  # of real rows: more admitted ties than this fail
MAX_DISAGREEMENTS = 20  # labels that a record lists one by one
MAX_RELATIVE_FLOOR = 1e-4  # of an output's spread, where the floor comes from a converted graph


@dataclass(frozen=True)
class Disagreement:
    """A label that is not the reference's: in which case (its sizes) and row, and how far it is behind there."""

    case: str
    row: int
    found: float
    expected: float
    margin: float
    tie: bool


@dataclass
class OutputRecord:
    """What was found of one output on one kind of input; floor, error and bound in the output's unit.

    `errors` has the label (the sizes) and the error of every case, `worst` the label of the largest and `worst_row` its
    row. `scale` is the end of the declared range. `disagreements` are the first labels that differ, ties included.
    `channels` holds the floors of an output that mixes scales.
    """

    output: str
    kind: str
    scale: float = 0.0
    cases: int = 0
    rows: int = 0
    floor: float = 0.0
    error: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    largest: float = 0.0
    ties: int = 0
    worst: str = ""
    worst_row: int | None = None
    disagreements: list[Disagreement] = field(default_factory=list)
    errors: list[tuple[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    channels: Channels = field(default_factory=Channels)

    @property
    def bound(self) -> float:
        return FACTOR * self.floor

    @property
    def ulp(self) -> float:
        """Of the largest value, or of the end of the declared range: a sigmoid may end at 1e-8 where another goes on."""
        return ulp32(max(self.largest, self.scale))

    @property
    def passed(self) -> bool:
        return not self.failures and self.cases > 0

    def add_floor(self, ref32: np.ndarray, ref64: np.ndarray, unsteady: np.ndarray) -> None:
        """Widen the floor by one case, and keep the range of the reference; jumps of unsteady rows do not count."""
        if unsteady.any():
            jumped = unsteady & (row_errors(ref32, ref64) > MAX_RELATIVE_FLOOR * float(np.ptp(ref64)))
            ref32, ref64 = ref32[~jumped], ref64[~jumped]
        self.channels.add(ref32, ref64)
        with np.errstate(over="ignore"):  # what float32 cannot hold is an infinity there, and no range
            finite = np.isfinite(ref64.astype(ref32.dtype))
        if not finite.any():
            return
        values = ref64[finite].astype(np.float64)
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self.largest = max(self.largest, float(np.abs(values).max()))
        both = finite & np.isfinite(ref32)
        moved = float(np.abs(ref32[both].astype(np.float64) - ref64[both]).max(initial=0.0))
        self.floor = max(self.floor, moved, self.ulp)

    def add_case(self, label: str, found: np.ndarray, ref64: np.ndarray, unsteady: np.ndarray) -> None:
        """Compare one case against the floor, which must be complete; unsteady rows that differ are ties."""
        self.cases += 1
        self.rows += len(ref64) if ref64.ndim else 1
        if found.shape != ref64.shape:
            self._fail(label, f"shape {list(found.shape)} instead of {list(ref64.shape)}")
            return
        rows = np.arange(len(ref64) if ref64.ndim else 1)
        if unsteady.any():
            tied = unsteady & (row_errors(found, ref64) > self.bound)
            self.ties += int(tied.sum())
            found, ref64, rows = found[~tied], ref64[~tied], rows[~tied]
        self._hold(label, found, ref64, rows)

    def add_entries(self, label: str, judged: Judged) -> None:
        """Compare one case of an output whose size depends on the data, as far as its rows agree with the reference."""
        self.cases += 1
        self.rows += judged.alignment.answers
        self.ties += judged.ties
        for what in judged.wrong:
            self._fail(label, what)
        found, expected = judged.alignment.found[self.output], judged.alignment.expected[self.output]
        if found.dtype.kind == "f" and len(found):
            self._hold(label, found, expected, judged.alignment.owners)

    def add_labels(self, label: str, found: np.ndarray, expected: np.ndarray, margin: np.ndarray, bound: float) -> None:
        """Compare discrete outputs: equal, or a tie of the reference.

        `margin` is how far the found label is behind in the reference, of their shape; within `bound` it is a tie.
        """
        self.cases += 1
        self.rows += len(expected) if expected.ndim else 1
        if found.shape != expected.shape:
            self._fail(label, f"shape {list(found.shape)} instead of {list(expected.shape)}")
            return
        places = [
            Disagreement(label, int(place[0]) if place else 0, float(found[place]), float(expected[place]),
                         float(margin[place]), bool(margin[place] <= bound))
            for place in map(tuple, np.argwhere(found != expected))
        ]  # fmt: skip
        self.ties += sum(place.tie for place in places)
        self.disagreements += places[: MAX_DISAGREEMENTS - len(self.disagreements)]
        wrong = next((place for place in places if not place.tie), None)
        if wrong is not None:
            self._fail(label, f"row {wrong.row} is {wrong.found:g} instead of {wrong.expected:g}, margin {wrong.margin:.3g}")

    def close(self) -> None:
        """Check what needs all cases: that there were some, and that ties stayed rare."""
        if not self.cases or not self.rows:
            raise ParityError(f"Output {self.output!r}: nothing was compared on {self.kind} inputs; give it samples.")
        if self.kind == "real" and self.ties > TIE_SHARE * self.rows:
            self._fail("all cases", f"{self.ties} ties in {self.rows} rows, more than {TIE_SHARE:.1%}")

    def _hold(self, label: str, found: np.ndarray, ref64: np.ndarray, rows: np.ndarray) -> None:
        """Note the largest error, which must be within the bound; `rows` is the row of each first index."""
        apart = _apart(found, ref64)
        error = float(apart.max(initial=0.0))
        self.errors.append((label, error))
        if not error <= self.error:
            self.error, self.worst = error, label
            self.worst_row = int(rows[apart.reshape(len(rows), -1).max(axis=1).argmax()])
        if not error <= self.bound:
            self._fail(label, f"off by {error:.3g}, bound {self.bound:.3g}")
        elif self.channels.mixed and ref64.size:
            channel, off, floor = self.channels.worst(found, ref64)
            if off > FACTOR * floor:
                self._fail(
                    label, f"channel {channel} off by {off:.3g}, bound {FACTOR * floor:.3g} (the output mixes scales)"
                )

    def _fail(self, label: str, what: str) -> None:
        self.failures.append(f"{self.kind}, {label}: {what}")


def distance(found: np.ndarray, reference: np.ndarray) -> float:
    """Largest absolute difference; infinite where one has NaN or an infinity that the other has not."""
    return float(_apart(found, reference).max(initial=0.0))


def _apart(found: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """An infinity is right where the reference is beyond what the answer's type can hold."""
    with np.errstate(over="ignore"):
        rounded = reference.astype(found.dtype)
    special = ~(np.isfinite(found) & np.isfinite(reference))
    same = (found == rounded) | (np.isnan(found) & np.isnan(reference))
    found, reference = found.astype(np.float64), reference.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(special, np.where(same, 0.0, np.inf), np.abs(found - reference))


def row_errors(found: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Largest absolute difference of each row (first axis)."""
    return np.abs(found.astype(np.float64) - reference).reshape(len(reference), -1).max(axis=1, initial=0.0)


def ulp32(value: float) -> float:
    """Distance from |value| to the next float32 above; of what is beyond float32, that of its largest."""
    return float(np.spacing(np.float32(min(abs(value), MAX_FLOAT32))))


def shortfalls(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How far the score of each row's label is behind the row's largest; infinite for a label that has no score."""
    inside = (labels >= 0) & (labels < scores.shape[-1])
    chosen = np.take_along_axis(scores, np.where(inside, labels, 0)[..., None].astype(np.int64), axis=-1)[..., 0]
    return np.where(inside, scores.max(axis=-1) - chosen, np.inf)


def margins(scores: np.ndarray) -> np.ndarray:
    """How far the largest score of each row is ahead of the second."""
    ordered = np.sort(scores, axis=-1)
    return ordered[..., -1] - ordered[..., -2]
