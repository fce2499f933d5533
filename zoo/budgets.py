"""What a twin of lower precision may lose of its model's task metric."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """`points` of accuracy, or a `share` of any other metric's value."""

    points: float
    share: float

    def allowed(self, metric: str, value: float) -> float:
        """The loss that is allowed where the original reaches `value`, in the metric's unit."""
        return self.points if metric == "accuracy" else self.share * abs(value)


_HALF = Budget(0.005, 0.01)
_BYTE = Budget(0.01, 0.02)
BUDGETS = {"fp16": _HALF, "tf32": _HALF, "int8": _BYTE, "int8-dynamic": _BYTE}
