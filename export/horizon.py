"""How far a free run can be compared: until rounding alone has moved it too far.

A run that is fed its own results may be chaotic: the original in float32 and in float64 part, and a right export parts from
both. So the floor of each step is taken, and where it first passes `MAX_SHARE` of the output's spread a run can no longer be
compared. The cases are cut to the steps before; a horizon of 0 is an error. What comes later is proven step by step
(`export.stepwise`).
"""

from __future__ import annotations

import numpy as np

from export.compare import ulp32
from export.inputs import Case, few_cases
from zoo.free_run import beginning, free_run
from zoo.spec import Graph

MAX_SHARE = 1e-3  # of an output's spread
MAX_ULPS = 64  # of the largest value: less than that is rounding, however little the output varies


class Steps:
    """Floors of one output by the number of steps that it took, on one kind of input."""

    def __init__(self, size: int) -> None:
        self.floors = np.zeros(size)
        self.low, self.high = np.inf, -np.inf

    def add(self, ref32: np.ndarray, ref64: np.ndarray, axis: int | None, steps: int) -> None:
        """One call; an output without the axis is what the whole run came to."""
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = ref64.astype(ref32.dtype)
            same = (ref32 == rounded) | (np.isnan(ref32) & np.isnan(rounded))
            apart = np.where(same, 0.0, np.nan_to_num(np.abs(ref32.astype(np.float64) - ref64), nan=np.inf))
        finite = ref64[np.isfinite(rounded)]
        self.low, self.high = min(self.low, finite.min(initial=np.inf)), max(self.high, finite.max(initial=-np.inf))
        if axis is None:
            self.floors[steps - 1] = max(self.floors[steps - 1], float(apart.max(initial=0.0)))
        else:
            moved = np.moveaxis(apart, axis, 0).reshape(steps, -1).max(axis=1, initial=0.0)
            self.floors[:steps] = np.maximum(self.floors[:steps], moved)

    @property
    def horizon(self) -> int:
        """Steps before the floor passes its share; all of them where it never does."""
        allowed = max(MAX_SHARE * (self.high - self.low), MAX_ULPS * ulp32(max(abs(self.low), abs(self.high))))
        beyond = np.flatnonzero(~(self.floors <= allowed))
        return int(beyond[0]) if beyond.size else len(self.floors)


def horizons(graph: Graph, reference: object, cases: list[Case]) -> dict[str, int]:
    """The horizon of each kind of input: the least of the float outputs'; empty for a graph without a free run.

    The longest runs of a kind are looked at, `MIN_ROWS` rows of them.
    """
    axis = free_run(graph)
    if axis is None:
        return {}
    steps: dict[tuple[str, str], Steps] = {}
    longest = max(case.sizes[axis.name] for case in cases)
    for case in few_cases(cases, key=lambda case: (case.sizes[axis.name], case.rows)):
        for ref32, ref64 in reference.pairs(graph, case.inputs):  # type: ignore[attr-defined]
            for port in graph.outputs:
                if port.is_float:
                    along = port.shape.index(axis.name) if axis.name in port.shape else None
                    found = steps.setdefault((case.kind, port.name), Steps(longest))
                    found.add(ref32[port.name], ref64[port.name], along, case.sizes[axis.name])
    kinds = dict.fromkeys(case.kind for case in cases)
    return {kind: min(one.horizon for (of, _), one in steps.items() if of == kind) for kind in kinds}


def cut(graph: Graph, case: Case, horizon: int) -> Case:
    """The case with a run of at most `horizon` steps."""
    axis = free_run(graph)
    if axis is None or case.sizes[axis.name] <= horizon:
        return case
    return Case(case.kind, beginning(graph, case.inputs, horizon), {**case.sizes, axis.name: horizon})
