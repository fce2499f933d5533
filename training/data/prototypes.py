"""Prototypes: noisy copies of ten pictures of MNIST, one of each digit, to be completed to the pictures that they came from.

The ten are black and white, chosen from the training pictures to lie as far apart as a search finds: from the first of each
digit on, every one in turn is replaced by the picture of its digit whose nearest of the other nine is farthest, until none
changes. Noise turns over the same share of all copies' pixels, drawn from a fixed seed.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from training.data import mnist
from training.data.dataset import Dataset, Split

SEED = 0
ROWS = 1000  # copies in either part, equally many of each picture


def load(noise: float) -> Dataset:
    """Raws uint8 (N, 28, 28) of 0 and 255 with the share `noise` of their pixels turned over; targets float32 (N, 784), −1
    and 1, the picture without noise. Raises DataError when a file of MNIST cannot be had or is damaged."""
    source = mnist.load()
    patterns = far_apart(as_patterns(np.asarray(source.train.raws)), source.train.targets)
    rng = np.random.default_rng(SEED)
    train, test = (_copies(patterns, noise, rng) for _ in range(2))
    note = f"Of one black and white training picture of each digit, {noise:.0%} of the pixels turned over."
    return dataclasses.replace(source, name="mnist-prototypes", note=note, labels=(), train=train, test=test)


def as_patterns(pictures: np.ndarray) -> np.ndarray:
    """Pictures (N, height, width) of 0 … 255 as float32 (N, pixels) of −1, paper, and 1, ink."""
    return np.where(pictures.reshape(len(pictures), -1) > 127, np.float32(1), np.float32(-1))


def far_apart(patterns: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """One of the patterns of each class, so that the two nearest of them differ in as many places as the search finds."""
    groups = [patterns[classes == label] for label in np.unique(classes)]
    chosen, places = np.stack([group[0] for group in groups]), [0] * len(groups)
    while True:
        before = list(places)
        for number, group in enumerate(groups):
            alike = group @ np.delete(chosen, number, axis=0).T  # pixels that agree less those that differ
            places[number] = int(alike.max(axis=1).argmin())
            chosen[number] = group[places[number]]
        if places == before:
            return chosen


def turned_over(patterns: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """The patterns with the share `noise` of the units of each, rounded, turned over."""
    count = round(noise * patterns.shape[1])
    order = rng.random(patterns.shape).argsort(axis=1)
    return np.where(order < count, -patterns, patterns)


def _copies(patterns: np.ndarray, noise: float, rng: np.random.Generator) -> Split:
    targets = patterns[np.arange(ROWS) % len(patterns)]
    noisy = turned_over(targets, noise, rng)
    side = int(patterns.shape[1] ** 0.5)
    return Split(raws=np.where(noisy > 0, 255, 0).astype(np.uint8).reshape(-1, side, side), targets=targets)
