"""What an execution costs, learnt from those that ran: nanoseconds = fixed + per_cell · cells.

A cell is an element along the free axes: a row, where the batch is the only one, a step of a row where rows are series.
Measured on two cores, ONNX Runtime with one thread: an LSTM's executions from 1 to 64 rows of 1 to 29 steps follow one such
line (18 µs + 1.05 µs a cell) within a third.
"""

from __future__ import annotations

KEEP = 0.98  # weight of the past at each new execution: the last fifty count
ANCHOR = 0.003  # how firmly `fixed_ns` stays while all executions have about one size, which says nothing about it
TOGETHER = 16  # executions that are taken in at once, after the first few: spread out, it costs several times as much
OUTLIER = 4.0  # times the expected cost: what is beyond (a pause of the machine, a first run) counts as that much


class Costs:
    """Least squares of relative errors, the recent past weighing most. 0 as long as nothing ran."""

    def __init__(self) -> None:
        self.fixed_ns = 0.0
        self.per_cell_ns = 0.0
        self._seen: list[tuple[int, float]] = []
        self._weight = self._inverse = self._inverse_2 = self._ratio = self._product = 0.0

    def expected_ns(self, cells: int) -> float:
        return self.fixed_ns + self.per_cell_ns * cells

    def observe(self, cells: int, ns: float) -> None:
        if cells:
            self._seen.append((cells, ns))
            if len(self._seen) == TOGETHER or self._weight < TOGETHER:
                for seen in self._seen:
                    self._take_in(*seen)
                self._seen.clear()
                self._fit()

    def _take_in(self, cells: int, ns: float) -> None:
        """Divided by `cells`, the line is ns/cells = per_cell + fixed · 1/cells."""
        if self._weight > 3:
            ns = min(ns, OUTLIER * self.expected_ns(cells) or ns)
        inverse, ratio = 1 / cells, ns / cells
        self._weight = KEEP * self._weight + 1
        self._inverse = KEEP * self._inverse + inverse
        self._inverse_2 = KEEP * self._inverse_2 + inverse * inverse
        self._ratio = KEEP * self._ratio + ratio
        self._product = KEEP * self._product + inverse * ratio

    def _fit(self) -> None:
        inverse, ratio = self._inverse / self._weight, self._ratio / self._weight
        variance = max(0.0, self._inverse_2 / self._weight - inverse * inverse)
        covariance = self._product / self._weight - inverse * ratio
        anchor = ANCHOR * inverse * inverse
        fixed = (covariance + anchor * self.fixed_ns) / (variance + anchor)
        self.fixed_ns = min(max(fixed, 0.0), ratio / inverse)
        self.per_cell_ns = ratio - self.fixed_ns * inverse
