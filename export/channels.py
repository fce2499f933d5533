"""Floors channel by channel, for outputs that mix scales: boxes in pixels beside scores, a mean beside a variance.

One floor for all of such an output would be that of its largest channel and let the small ones be wrong. A channel is a
place along the last axis. Only where the largest reference values of two channels differ a hundredfold is each held
against the floor of those up to ten times its size: among thousands of channels, some round luckily in all of their rows.
An output with a declared range (probabilities, what a sigmoid gives) has that as its one scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_FLOAT32 = float(np.nextafter(np.finfo(np.float32).max, np.float32(0)))  # the last that another follows
MIXED = 100.0  # ratio of the largest reference values of two channels from which on an output mixes scales
ALIKE = 10.0  # channels up to this many times as large share their floor with a smaller one


@dataclass
class Channels:
    """Error of float32 and largest reference of each channel over the cases of one kind.

    None where their number is not fixed, or where `one_scale` says that the output cannot mix any.
    """

    moved: np.ndarray | None = None
    largest: np.ndarray | None = None
    fixed: bool = True
    one_scale: bool = False

    def add(self, ref32: np.ndarray, ref64: np.ndarray) -> None:
        """Take in one case, (…, channels)."""
        if ref64.ndim < 2 or not ref64.size or (self.moved is not None and len(self.moved) != ref64.shape[-1]):
            self.fixed = self.fixed and not ref64.size
            return
        usable = np.isfinite(ref64) & np.isfinite(ref32)
        moved = np.where(usable, np.abs(ref32.astype(np.float64) - ref64), 0.0).reshape(-1, ref64.shape[-1]).max(axis=0)
        largest = np.where(usable, np.abs(ref64), 0.0).reshape(-1, ref64.shape[-1]).max(axis=0)
        self.largest = largest if self.largest is None else np.maximum(self.largest, largest)
        self.moved = moved if self.moved is None else np.maximum(self.moved, moved)

    @property
    def mixed(self) -> bool:
        if self.one_scale or not self.fixed or self.largest is None:
            return False
        sizes = self.largest[self.largest > 0]
        return len(sizes) > 1 and float(sizes.max() / sizes.min()) > MIXED

    @property
    def floors(self) -> np.ndarray:
        """The largest error of each channel and of those up to `ALIKE` times its size; at least one ulp of its largest."""
        assert self.moved is not None
        assert self.largest is not None
        order = np.argsort(self.largest)
        reach = np.searchsorted(self.largest[order], ALIKE * self.largest, side="right")
        shared = np.maximum.accumulate(self.moved[order])[reach - 1]
        return np.maximum(shared, np.spacing(np.minimum(self.largest, MAX_FLOAT32).astype(np.float32)))

    def bounds(self, factor: int) -> list[float]:
        """Bound of each channel; 0 of one that is zero throughout, which is not held against one of its own."""
        assert self.largest is not None
        return [float(bound) for bound in np.where(self.largest > 0, factor * self.floors, 0.0)]

    def worst(self, found: np.ndarray, ref64: np.ndarray) -> tuple[int, float, float]:
        """The channel whose error is the most floors, its error and its floor; channels of zeros are left out."""
        assert self.largest is not None
        usable = np.isfinite(ref64) & np.isfinite(found)
        errors = np.where(usable, np.abs(found.astype(np.float64) - ref64), 0.0).reshape(-1, ref64.shape[-1]).max(axis=0)
        floors = self.floors
        channel = int(np.argmax(np.where(self.largest > 0, errors / floors, 0.0)))
        return channel, float(errors[channel]), float(floors[channel])
