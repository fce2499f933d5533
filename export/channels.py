"""Floors channel by channel, for outputs that mix scales: boxes in pixels beside scores, a mean beside a variance.

One floor for all of such an output would be that of its largest channel and let the small ones be wrong. A channel is a
place along the last axis. Only where the largest reference values of two channels differ a hundredfold is each held
against a floor of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_FLOAT32 = float(np.nextafter(np.finfo(np.float32).max, np.float32(0)))  # the last that another follows
MIXED = 100.0  # ratio of the largest reference values of two channels from which on an output mixes scales


@dataclass
class Channels:
    """Floor and largest reference of each channel over the cases of one kind; nothing where channels are not fixed."""

    floors: np.ndarray | None = None
    largest: np.ndarray | None = None
    fixed: bool = True

    def add(self, ref32: np.ndarray, ref64: np.ndarray) -> None:
        """Widen the floors by one case, (…, channels)."""
        if ref64.ndim < 2 or not ref64.size or (self.floors is not None and len(self.floors) != ref64.shape[-1]):
            self.fixed = self.fixed and not ref64.size
            return
        usable = np.isfinite(ref64) & np.isfinite(ref32)
        moved = np.where(usable, np.abs(ref32.astype(np.float64) - ref64), 0.0).reshape(-1, ref64.shape[-1]).max(axis=0)
        largest = np.where(usable, np.abs(ref64), 0.0).reshape(-1, ref64.shape[-1]).max(axis=0)
        self.largest = largest if self.largest is None else np.maximum(self.largest, largest)
        ulps = np.spacing(np.minimum(self.largest, MAX_FLOAT32).astype(np.float32)).astype(np.float64)
        self.floors = np.maximum(moved if self.floors is None else np.maximum(self.floors, moved), ulps)

    @property
    def mixed(self) -> bool:
        if not self.fixed or self.largest is None:
            return False
        sizes = self.largest[self.largest > 0]
        return len(sizes) > 1 and float(sizes.max() / sizes.min()) > MIXED

    def bounds(self, factor: int) -> list[float]:
        """Bound of each channel; 0 of one that is zero throughout, which is not held against one of its own."""
        assert self.floors is not None
        assert self.largest is not None
        return [float(bound) for bound in np.where(self.largest > 0, factor * self.floors, 0.0)]

    def worst(self, found: np.ndarray, ref64: np.ndarray) -> tuple[int, float, float]:
        """The channel whose error is the most floors, its error and its floor; channels of zeros are left out."""
        assert self.floors is not None
        assert self.largest is not None
        usable = np.isfinite(ref64) & np.isfinite(found)
        errors = np.where(usable, np.abs(found.astype(np.float64) - ref64), 0.0).reshape(-1, ref64.shape[-1]).max(axis=0)
        channel = int(np.argmax(np.where(self.largest > 0, errors / self.floors, 0.0)))
        return channel, float(errors[channel]), float(self.floors[channel])
