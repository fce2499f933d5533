"""Points of a hypercube, and the corners or other states that a network which stores some corners takes them to.

Made here from a fixed seed; the test part begins with points of balance, from which no corner is nearer than another.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.data.dataset import Dataset, Split

SEED = 0
ROWS = 1000  # of either part, points of balance not counted

Point = Sequence[float]


def load(corners: Sequence[Point], balanced: Sequence[tuple[Point, Point]]) -> Dataset:
    """Raws float32 (N, units), uniform from −1 to 1, targets float32 (N, units): the nearest of the corners.

    `balanced` are pairs of a point and the state that it is taken to.
    """
    rng = np.random.default_rng(SEED)
    train, test = (_nearest(rng.uniform(-1, 1, (ROWS, len(corners[0]))), np.array(corners)) for _ in range(2))
    starts, states = (np.array(points, np.float32) for points in zip(*balanced, strict=True))
    return Dataset(
        name="points of a hypercube",
        source="made by training.data.hypercube",
        licence="none needed: drawn at random",
        note=f"The first {len(balanced)} test points are states between the corners, or lead to one.",
        labels=(),
        train=train,
        test=Split(raws=np.concatenate([starts, test.raws]), targets=np.concatenate([states, test.targets])),
    )


def _nearest(points: np.ndarray, corners: np.ndarray) -> Split:
    distances = np.square(points[:, None] - corners).sum(axis=2)
    return Split(raws=points.astype(np.float32), targets=corners[distances.argmin(axis=1)].astype(np.float32))
